"""Logs: the kept log, the words of a log line, the id of the request that a line belongs to."""
