"""Runs of campaigns: what a run needs is found anew, and submitted as every broadcast is."""

from __future__ import annotations
