"""The tests: `unit` (no sockets), `integration` (one room), `acceptance` (the system)."""
