"""Drafts: by what an edit is noticed, what follows from it, and what an article must be."""

from __future__ import annotations
