"""Everything in one terminal: real parts as processes on free ports, started and stopped together."""
