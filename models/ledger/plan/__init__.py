"""The plan of a broadcast: subtracted, cut, shrunk, with files that are alive."""
