"""The worker against a real ledger."""
