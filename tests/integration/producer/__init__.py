"""Tests of the producer with real databases and brokers."""
