"""Moves modules: renames, joins and re-imports them as a plan says, and changes no logic."""
