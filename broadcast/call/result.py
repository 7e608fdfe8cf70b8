"""What one call ended as, in the form in which every database takes it."""

from __future__ import annotations

from dataclasses import replace

from broadcast.call.outcomes import Outcome, Scope
from broadcast.frozen import frozen

#: Widest values of the attempts' columns. WeChat's msg_id has 32 bits and a few.
_INT32, LARGEST_MSG_ID = 2**31 - 1, 2**63 - 1
#: Characters of a batch's ``msg_status``. WeChat's longest word has 12.
LONGEST_MSG_STATUS = 32


@frozen
class CallResult:
    """What one call ended as."""

    outcome: Outcome
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    http_status: int | None = None
    transport: str | None = None
    elapsed_ms: int | None = None
    #: Of the access_token, where that was refused.
    token_fingerprint: str | None = None


@frozen
class NoAnswer(CallResult):
    """Why a question (a token, quota/get, mass/get) got no answer, and whom that concerns."""

    scope: Scope


def storable_status(msg_status: str) -> str:
    """Return mass/get's word as every database takes it; no other word becomes one of WeChat's."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in msg_status)
    return plain[:LONGEST_MSG_STATUS]


def storable(fact: CallResult) -> CallResult:
    """Return *fact* as every database takes it.

    A reply that could not be stored would leave its attempt unknown and be asked for again and
    again. Figures that no column holds are no answer that can be trusted.
    """
    wild = abs(fact.errcode or 0) > _INT32 or not 0 <= (fact.msg_id or 0) <= LARGEST_MSG_ID
    if wild:
        fact = replace(fact, outcome=Outcome.UNKNOWN, errcode=None, msg_id=None)
    data_id = fact.msg_data_id if 0 <= (fact.msg_data_id or 0) <= LARGEST_MSG_ID else None
    return replace(
        fact, errmsg=_plain(fact.errmsg, 512), rid=_plain(fact.rid, 64), msg_data_id=data_id
    )


def _plain(text: str | None, longest: int) -> str | None:
    """Return *text* without what PostgreSQL or UTF-8 refuses, cut to *longest* characters."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")[:longest]
