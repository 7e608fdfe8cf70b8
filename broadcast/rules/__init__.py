"""Rules: every decision about a broadcast, as functions of values; no I/O."""
