"""Submits and dry runs: what the door for programs does, for a caller with a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fastapi import Request as HTTPRequest

from broadcast.errors import InputError, UnknownIdError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.api_keys import Scope
from broadcast.rules.reports import OperatorActions, Report
from entrypoints.http.caller import Caller
from entrypoints.http.problems import KEY, ProblemError
from models.ledger.views import broadcast_reports
from producer.request import shape
from producer.request.door import SubmitService
from producer.request.shape import ListToCome, Request, ToAll
from producer.submit.order import checked_key
from producer.submit.prepare import Prepared
from producer.submit.store import Submitted
from producer.wiring.wechat import ClientChecks

_ARTICLES: Final = "mpnews"
#: What names another broadcast, or the ids that are near: of whichever account.
_NAMES_OTHERS: Final = frozenset(
    {
        "error.exclude.other_account",
        "error.broadcast.unknown",
        "error.broadcast.unknown_near",
    }
)
_UNSEEN: Final = Message("error.api.no_such_exclusion", field="exclude")


@frozen
class SubmitAnswer:
    """Answer to a submit."""

    report: Report
    created: bool
    notices: tuple[Message, ...]


def key_of(request: HTTPRequest) -> str:
    """Return the idempotency key of a request. Raises ProblemError, InputError."""
    given = request.headers.getlist(KEY)
    if not given:
        raise ProblemError("error.api.no_idempotency_key", field=KEY)
    if len(given) > 1:
        raise ProblemError("error.api.parameter_twice", field=KEY)
    try:
        # Headers are read as Latin-1; whoever writes Chinese into one writes UTF-8.
        return checked_key(given[0].encode("latin-1").decode().strip())
    except UnicodeDecodeError:
        raise ProblemError("error.key.unprintable", field=KEY) from None


def submit(caller: Caller, value: Mapping[str, Any], *, key: str) -> SubmitAnswer:
    """Store the broadcast of a body; the same key and body give the same broadcast.

    Raises ProblemError and what :meth:`SubmitService.submit` raises.
    """
    request = shape.parse(value)
    if isinstance(request.audience, ListToCome):
        return _reserved(caller, _permitted(caller, request), key=key)
    made = submit_parsed(caller, request, key=key)
    try:
        report = _after(caller, made)
    except UnknownIdError:
        raise _removed(made.id) from None
    return SubmitAnswer(report=report, created=made.created, notices=made.notices)


def _after(caller: Caller, made: Submitted) -> Report:
    """Return a broadcast as it stands after its submit; a new one has no batches and no actions."""
    engine = caller.engine
    if made.created:
        short = made.report or broadcast_reports.report(engine, made.id, whole=False)
        # Of articles the draft is looked up, too.
        if short.msgtype != _ARTICLES:
            return replace(short, operator_actions=OperatorActions(actions=(), earlier=0))
    return broadcast_reports.report(engine, made.id)


def _reserved(caller: Caller, request: Request, *, key: str) -> SubmitAnswer:
    try:
        broadcast_id, created = door(caller).reserve(request, key=key, who=caller.who)
    except InputError as error:
        raise without_others(caller, error) from None
    try:
        report = broadcast_reports.report(caller.engine, broadcast_id)
    except UnknownIdError:
        raise _removed(broadcast_id) from None
    return SubmitAnswer(report=report, created=created, notices=())


def _removed(broadcast_id: str) -> ProblemError:
    """Return the answer for a key whose broadcast was pruned: it alone is left, and stays used."""
    return ProblemError("error.api.removed", id=broadcast_id)


def submit_parsed(caller: Caller, request: Request, *, key: str) -> Submitted:
    """Store the broadcast of a request. Raises as :func:`submit`."""
    allowed = _permitted(caller, request)
    try:
        return door(caller).submit(allowed, key=key, who=caller.who)
    except InputError as error:
        raise without_others(caller, error) from None


def plan(caller: Caller, value: Mapping[str, Any], *, key: str) -> Prepared:
    """Check the broadcast of a body against the ledger and WeChat, and store nothing.

    Raises as :func:`submit`.
    """
    request = _permitted(caller, shape.parse(value))
    try:
        return door(caller).plan(request, key=key, who=caller.who)
    except InputError as error:
        raise without_others(caller, error) from None


def _permitted(caller: Caller, request: Request) -> Request:
    """Return a request with its account. Raises ProblemError where the key is not good for it."""
    if isinstance(request.audience, ToAll):
        caller.needs(Scope.TO_ALL)
    return request.model_copy(update={"account": caller.account(request.account).name})


def door(caller: Caller) -> SubmitService:
    """Return the door by which every program submits."""
    parts = caller.parts
    return SubmitService(
        settings=parts.settings,
        engine=parts.engine,
        quota=parts.quota,
        waker=parts.waker,
        looks=ClientChecks(parts.wechat),
        reported=True,
    )


def without_others(caller: Caller, error: InputError) -> InputError | ProblemError:
    """Return a refusal that names no broadcast of accounts that the key is not good for."""
    if for_key(caller, error.message) is not error.message:
        return ProblemError(_UNSEEN.id, field="exclude")
    return error


def for_key(caller: Caller, reason: Message) -> Message:
    """Return a reason as the key may read it: without broadcasts of accounts it is not good for."""
    is_hidden = caller.key.accounts is not None and reason.id in _NAMES_OTHERS
    return _UNSEEN if is_hidden else reason
