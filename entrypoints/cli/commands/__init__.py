"""The commands of one subject in one file, each with a Typer ``app``; imported when one is called.

The help of commands and options is the id of its text.
"""
