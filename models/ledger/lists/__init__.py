"""Lists of OpenIDs: stored, read, suppressed; and uploaded media."""
