"""Tests without sockets, servers and waiting."""
