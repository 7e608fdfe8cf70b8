"""Local files of a content: read and checked, uploaded once, and their ids put into the content."""

from __future__ import annotations
