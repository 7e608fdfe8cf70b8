"""The whole system in one terminal: processes on free ports, started and stopped together."""
