"""Everything in one terminal: real parts as processes on free ports, up and down together."""
