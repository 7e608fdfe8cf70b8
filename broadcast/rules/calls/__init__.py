"""Calls: what one call ends as, and what follows from all calls of a batch."""
