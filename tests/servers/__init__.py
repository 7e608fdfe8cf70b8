"""Real servers for tests, on random ports and in folders of their own.

A server is started when the first test of a process asks for it and serves every later
test of that process. Under pytest-xdist each worker process has its own servers: they
start in half a second (RabbitMQ in three), and a test may kill or freeze its server
without disturbing the other worker.
"""
