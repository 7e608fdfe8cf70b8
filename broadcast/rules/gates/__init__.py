"""Gates: what forbids calls, since when, until when, and what a reader is shown of it."""
