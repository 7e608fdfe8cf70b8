"""Campaigns: kept, edited, decided at each due time, launched once."""

from __future__ import annotations
