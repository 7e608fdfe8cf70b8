"""The worker's room against a real ledger."""
