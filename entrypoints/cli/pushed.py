"""State of WeChat's pushes: a line an account, and the same for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from broadcast.day import SHANGHAI
from broadcast.message import Message
from broadcast.rules.accounts import TRIAL, Account
from broadcast.views.objects import utc, utc_if_any
from broadcast.views.words import Moment, suffix
from models.ledger.boxes.pushes import PushCounts


def push_lines(account: Account, heard: PushCounts | None) -> Iterator[Message]:
    """Yield when WeChat pushed last, and what could not be handled yet."""
    if heard is None:
        if account.callback_token is not None:
            # `broadcast up --simulator` serves its own account.
            yield Message("pushes.none_simulated" if account.name == TRIAL else "pushes.none")
        return
    yield Message("pushes.last", at=Moment(heard.last_at, heard.now))
    if heard.waiting_since is not None and heard.now - heard.waiting_since > _SOON:
        yield Message(
            "pushes.waiting",
            n=heard.waiting,
            at=Moment(heard.waiting_since, heard.now),
        )
    if heard.unhandled:
        yield Message("pushes.unhandled", n=heard.unhandled)
    if heard.unapplied:
        yield Message(
            f"pushes.unapplied{suffix(len(heard.unapplied))}",
            n=len(heard.unapplied),
            ids=" ".join(heard.unapplied),
            account=account.name,
        )
    if heard.set_aside_at is not None:
        yield Message(
            f"pushes.set_aside{suffix(heard.set_aside)}",
            n=heard.set_aside,
            account=account.name,
            at=Moment(heard.set_aside_at, heard.now),
            day=f"{heard.set_aside_at.astimezone(SHANGHAI):%Y-%m-%d}",
        )


#: A worker that is there handles a push sooner.
_SOON = timedelta(minutes=1)


def pushes_json(heard: PushCounts | None) -> dict[str, object]:
    """Return the same as an object's keys."""
    return {
        "last_push_at": heard and utc(heard.last_at),
        "waiting_pushes": heard.waiting if heard else 0,
        "waiting_since": heard and utc_if_any(heard.waiting_since),
        "unhandled_pushes": heard.unhandled if heard else 0,
        "unapplied_opt_outs": list(heard.unapplied) if heard else [],
        "set_aside_pushes": heard.set_aside if heard else 0,
    }
