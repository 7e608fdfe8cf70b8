"""The HTTP API: other programs submit, look, stop and go on by it, and nothing else.

::

    gate ──► caller ──► routes ──► producer.request (submits) │ models.ledger (verbs, readings)
    limits    key        forms          the same code as for Celery and the command line
    ids       language   answers

It faces programs that may be wrong or hostile: whatever they send, the answer is one of the
documented ones. The way to WeChat and to the broker comes from who starts it.
"""

from __future__ import annotations
