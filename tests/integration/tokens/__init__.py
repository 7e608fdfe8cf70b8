"""Tests of `broadcast.tokens` with a real Valkey."""
