"""Tests of `coordination` with a real Valkey."""
