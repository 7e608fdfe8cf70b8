"""Steering: operators' commands, retries, sweeps, calls by hand."""
