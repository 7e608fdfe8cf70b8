"""Fixes: what an operator does about one of WeChat's errcodes, or what happens automatically."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from broadcast.data_files import parsed
from broadcast.message import Message
from broadcast.rules.calls import waits
from broadcast.rules.calls.outcomes import SPLITTABLE, Endpoint, Outcome, meaning

_FIXES: Final = parsed(__file__, "fixes.json")
#: Codes that stop an account and have a fix of their own.
OF_ACCOUNTS: Final = frozenset[int](_FIXES["accounts"])
#: Codes of a mass send that have a fix of their own beside those.
OF_SENDS: Final = frozenset[int](_FIXES["sends"])
#: Codes that a call for the access_token ends with for another reason than a mass send.
OF_TOKENS: Final = frozenset[int](_FIXES["tokens"])
#: Where in WeChat's console a person fixes it.
PLACES: Final = {code: place for place, codes in _FIXES["places"].items() for code in codes}


def lines(errcode: int) -> Iterator[Message]:
    """Yield the fix of *errcode*, its place in WeChat's console, and the command."""
    stops = meaning(Endpoint.MASS_SEND, errcode).outcome is Outcome.STOP_ACCOUNT
    if stops and errcode in OF_ACCOUNTS:
        yield Message("explain.fix", fix=of_account(errcode))
    elif errcode in OF_SENDS:
        yield Message("explain.fix", fix=Message(f"fix.send.{errcode}"))
    else:
        yield of_call(errcode)
    if errcode in OF_TOKENS:
        yield Message("explain.token", fix=Message(f"fix.token.{errcode}"))
    elif errcode in OF_ACCOUNTS and not stops:
        yield Message("explain.token", fix=of_account(errcode))
    if errcode in PLACES:
        yield Message("explain.where", place=Message(PLACES[errcode]))
    if stops and errcode in OF_ACCOUNTS:
        yield Message("explain.unhalt")


def of_account(errcode: int | None) -> Message:
    """Return the fix of an account that WeChat refuses with *errcode*."""
    if errcode in OF_ACCOUNTS:
        return Message(f"fix.account.{errcode}")
    return Message("fix.account")


def of_call(errcode: int) -> Message:
    """Return the fix of a mass send that ended with *errcode*, or what follows anyway."""
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


#: A mass send does not end with these: the call that does, and the end of the id of their fix.
OF_OTHERS: Final[Mapping[int, tuple[str, str]]] = {
    code: (call, fix)
    for call, fixes in _FIXES["others"].items()
    for fix, codes in fixes.items()
    for code in codes
}
#: A mass send ends with these too, and elsewhere they mean something else.
ELSEWHERE: Final = frozenset[int](_FIXES["elsewhere"])


def is_of_others(errcode: int) -> bool:
    """Return whether only other calls than a mass send end with *errcode*."""
    return errcode in OF_OTHERS


def of_others(errcode: int) -> Iterator[Message]:
    """Yield which call ends with *errcode*, and what to do."""
    call, fix = OF_OTHERS[errcode]
    yield Message("explain.call", call=Message(f"explain.call.{call}"))
    yield Message("explain.fix", fix=Message(f"fix.{call}.{fix}"))


def fix_of_upload(errcode: int) -> Message | None:
    """Return the fix of a file that WeChat refused with *errcode*; None: no file's fault."""
    call, fix = OF_OTHERS.get(errcode, ("", ""))
    return Message(f"fix.{call}.{fix}") if call == "upload" else None


def beside(errcode: int) -> Iterator[Message]:
    """Yield the meaning of *errcode* of a mass send elsewhere, and the fix there."""
    if errcode in ELSEWHERE:
        yield Message("explain.elsewhere", fix=Message(f"fix.elsewhere.{errcode}"))
