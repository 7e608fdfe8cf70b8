"""Helpers that several test rooms share. Each is a file with a noun for a name."""
