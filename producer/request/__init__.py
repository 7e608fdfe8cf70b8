"""What a program asks for: the same body, read by the same code, whichever way it came.

::

    JSON or keywords ──► shape: forms, names ──► meaning: an order ──► prepare, store
"""

from __future__ import annotations
