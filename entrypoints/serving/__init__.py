"""HTTP serving that faces strangers: heads and waits with an end, one ready line, a clean end."""

from __future__ import annotations
