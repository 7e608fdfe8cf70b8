"""Webhooks are delivered: by threads of their own, so that no lane waits for a receiver."""

from __future__ import annotations
