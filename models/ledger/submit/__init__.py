"""Submits: a request and its list become a broadcast, or nothing."""
