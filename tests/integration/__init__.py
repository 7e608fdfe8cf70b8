"""Tests of one package with real servers."""
