"""Wiring: the real parts of a command, built here and nowhere else.

In three files, because a command that only reads the database must not import the rest.
"""
