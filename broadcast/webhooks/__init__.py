"""Webhooks: what is reported of a broadcast and to whom, how it is signed, when it is tried."""

from __future__ import annotations
