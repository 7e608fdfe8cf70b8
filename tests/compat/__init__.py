"""Judged by clients that we did not write."""
