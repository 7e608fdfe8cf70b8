"""What is known of one follower, in words and as the object of ``--json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from broadcast.message import Message
from broadcast.suppression import ALL_ACCOUNTS, Suppressed, SuppressionKind
from models.ledger.reading.followers import Follower
from models.ledger.reading.received import Received
from presentation.report_json import utc
from presentation.words import Moment, Speaker, member


def lines(
    known: Follower | None,
    suppressed: Sequence[Suppressed],
    got: Sequence[Received],
    *,
    now: datetime,
) -> Iterator[Message]:
    """Yield a line each: whether they follow, each suppression, each broadcast."""
    yield _follows(known, now)
    for one in suppressed:
        if one.kind is SuppressionKind.KEYWORD:
            yield Message("follower.suppressed_own", since=Moment(one.since, now))
            continue
        every = one.account == ALL_ACCOUNTS
        yield Message(
            "follower.suppressed_for_all" if every else "follower.suppressed",
            since=Moment(one.since, now), kind=member(one.kind, prefix="suppress.kind."),
            who=Speaker(one.who, one.why),
        )  # fmt: skip
    for each in got:
        yield _got(each, now)
    if not got:
        yield Message("follower.got_nothing")


def _follows(known: Follower | None, now: datetime) -> Message:
    if known is None:
        return Message("follower.unknown")
    since = known.since and Moment(known.since, now)
    if known.follows:
        kind = "follower.since" if known.since_said else "follower.listed_since"
        return Message(kind, since=since)
    kind = "follower.left" if known.left_said else "follower.not_listed"
    return Message(kind, at=known.left_at and Moment(known.left_at, now))


def _got(each: Received, now: datetime) -> Message:
    facts = {"id": each.broadcast_id, "created": Moment(each.created_at, now)}
    if each.skipped is not None:
        return Message("follower.skipped", why=Message(f"follower.why.{each.skipped}"), **facts)
    if each.never_planned:
        return Message("follower.never_planned", **facts)
    if each.n is None:
        stands = "undecided" if each.undecided else "not_planned"
        return Message(f"follower.{stands}", **facts)
    return Message("follower.in_batch", n=each.n, state=each.state, **facts)


def as_json(
    known: Follower | None, suppressed: Sequence[Suppressed], got: Sequence[Received]
) -> dict[str, Any]:
    """Return the object."""
    return {
        "follows": known and known.follows,
        "since": known and known.since and utc(known.since),
        "left_at": known and known.left_at and utc(known.left_at),
        "suppressed": [
            {
                "account": None if one.account == ALL_ACCOUNTS else one.account,
                "kind": one.kind.value, "since": utc(one.since), "who": one.who, "why": one.why,
            }
            for one in suppressed
        ],
        "broadcasts": [
            {
                "id": one.broadcast_id, "title": one.title, "created_at": utc(one.created_at),
                "batch": one.n, "state": one.state and one.state.value,
                "called_at": one.called_at and utc(one.called_at), "skipped": one.skipped,
            }
            for one in got
        ],
    }  # fmt: skip
