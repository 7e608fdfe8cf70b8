"""One call of a batch: what it can end as, and what follows from all calls of its batch."""

from __future__ import annotations
