"""What is wrong in a request whatever the settings and the ledger say: for who has neither."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from broadcast import content as contents
from broadcast.errors import RequestError
from broadcast.openid import is_openid
from broadcast.plan.cut import SMALLEST
from broadcast.webhooks.url import form_problem
from producer.order import checked_key, checked_title
from producer.request.meaning import (
    checked_late_by,
    checked_size_of,
    content_of,
    exclusions_of,
    read_list,
)
from producer.request.shape import FollowerList, ListToCome, OpenIDList, Request, ToAll
from producer.schedule import parse_at, refuse_what_is_not_ahead

_CONFIRM: Final = "audience.confirm_to_all"


def refuse_what_is_wrong(request: Request, *, key: str) -> None:
    """Raise RequestError, ContentError, AudienceError or InputError where no worker could take it.

    A time must be ahead by the clock of this machine.
    """
    checked_key(key)
    content_of(request, limit=contents.MOST_BYTES)
    exclusions_of(request)
    _refuse_options(request)
    _refuse_audience(request)


def _refuse_options(request: Request) -> None:
    if request.at is not None:
        machine_now = datetime.now(UTC)
        refuse_what_is_not_ahead(parse_at(request.at), now=machine_now, machine_now=machine_now)
    if request.title is not None:
        checked_title(request.title)
    if request.late_by is not None:
        checked_late_by(request.late_by)
    if request.sample is not None:
        checked_size_of(request.sample)
    problem = None if request.notify is None else form_problem(request.notify.url)
    if problem is not None:
        raise RequestError("error.request.notify", field="notify.url", reason=problem)


def _refuse_audience(request: Request) -> None:
    asked, account = request.audience, request.account
    if request.with_tag is not None and not isinstance(asked, FollowerList):
        raise RequestError("error.request.with_tag_alone", field="with_tag")
    match asked:
        case ListToCome():
            raise RequestError("error.request.upload", field="audience.upload")
        case ToAll() if account is not None and asked.confirm_to_all != account:
            raise RequestError("error.request.confirm_to_all", field=_CONFIRM, account=account)
        case OpenIDList() if len(set(filter(_is_plain, asked.openids))) < SMALLEST:
            # Whoever reads lists has the last word; for most there is no need to load it.
            read_list(asked).close()


def _is_plain(text: str) -> bool:
    return text.isascii() and is_openid(text.encode())
