"""Audit: the delivery promise as queries, recomputed from packed OpenIDs, attempts and gates."""
