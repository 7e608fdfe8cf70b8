"""Campaigns: when they are due, what becomes of a due time, and the text of each run."""

from __future__ import annotations
