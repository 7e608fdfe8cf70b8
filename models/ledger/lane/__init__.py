"""A lane: its lease, the next call, the claim, the record, what follows."""
