"""Tests of what people and programs are told: structures first, words where words are the point."""
