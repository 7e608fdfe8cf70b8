"""Tests of one room with real servers."""
