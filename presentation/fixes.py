"""Fixes: what a person does about one of WeChat's errcodes, or what is done by itself."""

from __future__ import annotations

from datetime import timedelta

from broadcast.call import waits
from broadcast.call.outcomes import SPLITTABLE, Endpoint, Outcome, meaning
from broadcast.message import Message

#: Codes that stop an account and have a fix of their own.
OF_ACCOUNTS = frozenset({40001, 40013, 40125, 40164, 40243, 48001, 48003, 50002})


def of_account(errcode: int | None) -> Message:
    """Return what a person does about an account that WeChat refuses with *errcode*."""
    if errcode in OF_ACCOUNTS:
        return Message(f"fix.account.{errcode}")
    return Message("fix.account")


def of_call(errcode: int) -> Message:
    """Return what to do about a mass send that ended with *errcode*, or what is done by itself."""
    ended = meaning(Endpoint.MASS_SEND, errcode).outcome
    if ended is Outcome.BAD_RECIPIENTS and errcode not in SPLITTABLE:
        return Message("fix.bad_list")
    if ended is Outcome.UNKNOWN:
        return Message(
            "fix.unknown",
            tries=waits.UNKNOWN_TRIES,
            hours=round(waits.asked_for(waits.UNKNOWN_TRIES) / timedelta(hours=1)),
            window=waits.REPEAT_WINDOW // timedelta(hours=1),
        )
    return Message(f"fix.{ended}")
