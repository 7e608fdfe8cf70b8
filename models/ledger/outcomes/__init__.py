"""Outcomes: finish events, mass/get, an operator's verdict on a batch in doubt."""
