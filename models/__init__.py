"""The database: tables, engine and the ledger, whose verbs are the only writers."""
