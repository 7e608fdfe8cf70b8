"""Tests of the producer's pure parts."""
