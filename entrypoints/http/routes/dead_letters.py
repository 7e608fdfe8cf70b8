"""Dead letters: messages of other programs that became no broadcast."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Query
from pydantic import Field

from broadcast import errors
from broadcast.errors import InputError, UnknownIdError
from broadcast.rules.accounts import NAME
from broadcast.rules.api_keys import Scope
from broadcast.rules.dead_letters import KeptLetter, LetterState
from broadcast.views.json_objects import body_of, letter_object
from broadcast.views.program_words import refusal
from entrypoints.http import answers, bodies, lookups, openapi, submitting
from entrypoints.http.caller import Caller, Controller, Reader, having
from entrypoints.http.openapi import Routes
from entrypoints.http.problems import ProblemError
from models.ledger.boxes import dead_letters
from producer.request import door, incoming
from producer.request.shape import LONGEST_ACCOUNT, Yes

router = Routes(prefix="/v1", tags=["dead letters"])

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,32}\Z")
_FORBIDDEN: Final = 403


@router.reading(
    "/dead-letters",
    answers.DeadLetterList,
    operation="list_dead_letters",
    summary="List dead letters",
)
def listing(
    caller: Reader,
    *,
    account: Annotated[str | None, Query(max_length=LONGEST_ACCOUNT)] = None,
    closed: bool = False,
    limit: lookups.Limit = 50,
    cursor: lookups.Cursor = None,
) -> dict[str, Any]:
    """Return dead letters, the newest first; `closed` adds those that were sent or dropped.

    One that comes again is the newest; one that names no account is shown to keys of all accounts.
    """
    before, accounts = lookups.place_of(cursor), _accounts(caller, account)
    _settle(caller)
    found = dead_letters.newest(
        caller.engine,
        state=None if closed else LetterState.DEAD,
        accounts=accounts,
        before=before,
        most=limit + 1,
    )
    each = [_as_object(caller, one) for one in found[:limit]]
    last = found[limit - 1] if len(found) > limit else None
    follows = None if last is None else lookups.cursor_of(last.last_at, last.id)
    return {"dead_letters": each, "next": follows}


def _settle(caller: Caller, letter_id: str | None = None) -> None:
    """Close the letters that wait, or one of them, whose message is a broadcast after all."""
    engine = caller.engine
    door.settle_letters(
        engine, caller.parts.settings, dead_letters.possibly_sent(engine, letter_id)
    )


def _accounts(caller: Caller, account: str | None) -> Collection[str] | None:
    """Return whose letters are meant; None: everybody's. Raises ProblemError."""
    if account is None:
        return caller.key.accounts
    # A letter may name an account that nobody has.
    if NAME.match(account) and caller.key.may_use(account):
        return [account]
    raise ProblemError("error.api.no_account", field="account")


def _as_object(caller: Caller, one: KeptLetter) -> dict[str, Any]:
    # It was refused by a worker, which knows every account.
    return letter_object(replace(one, reason=submitting.for_key(caller, one.reason)), caller.texts)


def _is_theirs(caller: Caller, one: KeptLetter) -> bool:
    # One that names no account is everybody's, so nobody's who is limited.
    return caller.key.accounts is None or one.account in caller.key.accounts


@router.reading(
    "/dead-letters/{letter_id}",
    answers.DeadLetter,
    operation="get_dead_letter",
    summary="Look at a dead letter",
)
def show(letter_id: str, caller: Reader) -> dict[str, Any]:
    """Return a dead letter and what it asked for."""
    one, body = _settled(caller, letter_id)
    return _as_object(caller, one) | {"body": body_of(body)}


def _letter(caller: Caller, letter_id: str) -> tuple[KeptLetter, str]:
    if _ID.match(letter_id):
        try:
            one, body = dead_letters.letter_named(caller.engine, letter_id)
        except (UnknownIdError, InputError):
            pass
        else:
            # A part of an id is for persons.
            if one.id == letter_id and _is_theirs(caller, one):
                return one, body
    raise ProblemError("error.api.no_dead_letter")


def _settled(caller: Caller, letter_id: str) -> tuple[KeptLetter, str]:
    _letter(caller, letter_id)
    _settle(caller, letter_id)
    return _letter(caller, letter_id)


@router.taking(
    "/dead-letters/{letter_id}/retry",
    answers.DeadLetterInAList,
    409,
    operation="retry_dead_letter",
    summary="Submit a dead letter again",
)
def retry(
    caller: Annotated[Caller, Depends(having(Scope.CONTROL, Scope.SUBMIT))],
    letter_id: str,
    _: bodies.Empty,
    confirm: lookups.Confirmed = None,
) -> dict[str, Any]:
    """Submit a dead letter again as it is, under its own key.

    One that is still bad is refused with 409, with the wrong `field`, and stays. The key also needs
    the scope `submit`.
    """
    one, body = _letter(caller, letter_id)
    with door.trying_again(caller.engine, one):
        return _submitted(caller, one, body, confirm=confirm)


def _submitted(
    caller: Caller, one: KeptLetter, body: str, *, confirm: str | None
) -> dict[str, Any]:
    engine = caller.engine
    try:
        found = incoming.parse_letter(one.source, body, caller.parts.settings)
        done = submitting.submit_parsed(
            caller, found.confirmed([confirm] if confirm else []).request, key=found.key
        )
    except (InputError, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status == _FORBIDDEN:
            # Of the key, not of the letter.
            raise
        dead_letters.mark_refused_again(engine, one.id, error.message)
        reason = refusal(error.message, caller.texts)
        # As the letter has it: its key is a member, and no header of this request.
        field = errors.field_of(error.message)
        raise ProblemError("error.dead.still", id=one.id, problem=reason, field=field) from None
    dead_letters.mark_sent(engine, one.id, done.id, who=caller.who)
    return _as_object(caller, dead_letters.letter_named(engine, one.id)[0])


class DropAll(bodies.Body):
    """Which dead letters are put aside: all that wait."""

    all: Yes
    account: Annotated[
        Annotated[str, Field(max_length=LONGEST_ACCOUNT)] | None,
        Field(description="those of this account alone"),
    ] = None


@router.taking(
    "/dead-letters/drop",
    answers.Dropped,
    operation="drop_dead_letters",
    summary="Put all dead letters aside",
    body=openapi.takes("drop_all", form=DropAll),
)
def drop_all(
    caller: Controller, form: Annotated[DropAll, Depends(bodies.body_of(DropAll))]
) -> dict[str, Any]:
    """Put aside all dead letters that the key may see and that wait: nobody wants them sent.

    One that is being retried is left.
    """
    accounts = _accounts(caller, form.account)
    _settle(caller)
    engine = caller.engine
    _, moment = dead_letters.waiting(engine, accounts)
    dropped = dead_letters.drop_all(engine, who=caller.who, until=moment, accounts=accounts)
    left, _ = dead_letters.waiting(engine, accounts)
    return {"dropped": dropped, "left": left}


@router.taking(
    "/dead-letters/{letter_id}/drop",
    answers.DeadLetterInAList,
    409,
    operation="drop_dead_letter",
    summary="Put a dead letter aside",
)
def drop(caller: Controller, letter_id: str, _: bodies.Empty) -> dict[str, Any]:
    """Put a dead letter aside: nobody wants it sent."""
    engine = caller.engine
    one = _settled(caller, letter_id)[0]
    door.drop_letter(engine, one, who=caller.who)
    return _as_object(caller, dead_letters.letter_named(engine, one.id)[0])
