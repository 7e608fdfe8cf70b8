"""What WeChat pushes: what is kept of it, and what a follower's word does."""

from __future__ import annotations
