"""Wiring: the real parts of a command, built here and nowhere else."""
