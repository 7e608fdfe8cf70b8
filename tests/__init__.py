"""The tests: `unit` (no sockets), `integration` (one package), `acceptance` (the system)."""
