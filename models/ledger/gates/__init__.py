"""Gates in the ledger, and what closes them: quotas, drafts, changed accounts."""
