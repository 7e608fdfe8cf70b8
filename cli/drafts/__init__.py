"""Drafts on the command line: found by title, read at a submit and at a resume, made of files."""

from __future__ import annotations
