"""Submitting: prepared and checked, then stored, then a worker is woken."""
