"""Requests of programs: the same body, read by the same code, by every door.

::

    JSON or keywords ──► shape: forms, names ──► meaning: an order ──► prepare, store
"""

from __future__ import annotations
