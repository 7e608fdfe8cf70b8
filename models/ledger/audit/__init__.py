"""Audit: the delivery promise as queries, recomputed from packed OpenIDs, attempts and gates."""

from __future__ import annotations

from models.ledger.audit.findings import Check, Finding, Found
from models.ledger.audit.run import Audit, audit, audit_all

__all__ = ["Audit", "Check", "Finding", "Found", "audit", "audit_all"]
