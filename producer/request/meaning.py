"""Meaning of a request: an order and its audience, or one error that names the field."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import Engine

from broadcast.errors import AudienceError, ContentError, RequestError
from broadcast.frozen import frozen
from broadcast.quoting import quoted
from broadcast.rules import content as contents
from broadcast.rules.accounts import Account
from broadcast.rules.content import Content
from broadcast.rules.gates.lateness import parse_late_by
from broadcast.rules.plan.audience import Everyone, Followers, Tag
from broadcast.rules.plan.selection import (
    Excluded,
    Exclusion,
    Sample,
    Selection,
    checked_size,
    seed_of,
)
from broadcast.rules.plan.submission import NAMES, Options, Terms
from broadcast.settings.program_settings import Settings
from broadcast.settings.webhook_settings import SECRETS
from producer.audience import openid_list
from producer.request.shape import (
    SHOWN,
    FollowerList,
    ListToCome,
    OpenIDList,
    Receiver,
    Request,
    TagMembers,
    ToAll,
    field_of,
)
from producer.submit import checks
from producer.submit.order import Order, checked_key, checked_title, parse_at

Target: TypeAlias = OpenIDList | ListToCome | Followers | Tag | Everyone
_LONGEST_TAG: Final = 9
#: Not every database can be asked for every text.
_ID: Final = re.compile(r"[!-~]{1,32}\Z")


@frozen
class ParsedRequest:
    """Request with its order and audience."""

    request: Request
    order: Order
    target: Target

    @contextlib.contextmanager
    def whom(self) -> Iterator[openid_list.OpenIDs | Followers | Tag | Everyone]:
        """Return the audience; a list is read now. Raises AudienceError, RequestError."""
        target = self.target
        if isinstance(target, ListToCome):
            raise RequestError("error.request.upload", field="audience.upload")
        if isinstance(target, OpenIDList):
            with read_list(target) as listed:
                yield listed
        else:
            yield target


def parsed_request(
    request: Request,
    *,
    key: str,
    who: str,
    settings: Settings,
    waiting_since: datetime | None = None,
) -> ParsedRequest:
    """Return *request* under *key* as an order; *who* asks, *waiting_since* if not now.

    What it says is all that counts here: :mod:`producer.request.meaning` has the rest. Raises
    RequestError, ContentError, SettingsError (no such account) and InputError.
    """
    account = settings.account(request.account)
    refuse_wrong_audience(request, account.name)
    order = Order(
        account=account,
        content=content_of(request, limit=contents.MOST_BYTES),
        key=checked_key(key),
        scheduled_at=None if request.at is None else parse_at(request.at),
        selection=_selection(request, account, key=key),
        terms=Terms(
            who=who,
            again=request.again,
            spread_days=request.spread_days,
            priority=request.priority,
            batch_size=settings.batch_size,
            title=None if request.title is None else checked_title(request.title),
            late_by=settings.late_by
            if request.late_by is None
            else checked_late_by(request.late_by),
            notify_url=None if request.notify is None else request.notify.url,
            waiting_since=waiting_since,
        ),
        options=_options(request, account, settings=settings),
    )
    return ParsedRequest(request=request, order=order, target=_target(request))


def read_list(given: OpenIDList) -> openid_list.OpenIDs:
    """Return the list that stands in a request. Raises AudienceError, in the request's own words.

    Whoever calls closes it.
    """
    try:
        return openid_list.read(given.openids)
    except AudienceError as error:
        raise _of_list(error, given.openids) from None


def _of_list(error: AudienceError, openids: Sequence[str]) -> AudienceError:
    """Return the refusal of a list, by members of the request; its reader speaks of lines."""
    match error.message_id:
        case "error.audience.nothing_valid" | "error.audience.only_blank":
            # None is valid, so that the first are as good an example as any.
            shown = ", ".join(f"“{quoted(one, _EXAMPLE)}”" for one in openids[:_EXAMPLES])
            return AudienceError(
                "error.audience.none_valid", field=_OPENIDS, read=len(openids), examples=shown
            )
        case "error.audience.single":
            return AudienceError(error.message_id, **{**error.facts, **_NAMED})
    return error


#: Wrong OpenIDs that are shown, and characters of each.
_EXAMPLES: Final = 3
_EXAMPLE: Final = 32
_OPENIDS: Final = "audience.openids"
_NAMED: Final = {"field": _OPENIDS, "source": _OPENIDS}


def _options(request: Request, account: Account, *, settings: Settings) -> Options:
    """Return the options that a body does not have; a default is as good as none."""
    given = request.model_dump(include=set(NAMES), exclude_defaults=True)
    if request.late_by is not None:
        given["late_by"] = checked_late_by(request.late_by).total_seconds()
    defaults: dict[str, object] = {"late_by": settings.late_by.total_seconds()}
    if account.notify_url is not None:
        defaults["notify"] = {"url": account.notify_url}
    return Options(said=given, defaults=defaults)


def refuse_wrong_audience(request: Request, account: str | None) -> None:
    """Raise RequestError for a tag of no followers, and for "to all" that names another account.

    *account*: the request's; None: it leaves that out, and whoever stores it knows.
    """
    audience = request.audience
    if request.with_tag is not None and not isinstance(audience, FollowerList):
        raise RequestError("error.request.with_tag_alone", field="with_tag")
    if isinstance(audience, ToAll) and account is not None and audience.confirm_to_all != account:
        raise RequestError(
            "error.request.confirm_to_all", field="audience.confirm_to_all", account=account
        )


def _target(request: Request) -> Target:
    audience = request.audience
    match audience:
        case FollowerList():
            return Followers(tag_id=request.with_tag)
        case TagMembers():
            return Tag(tag_id=audience.tag_id)
        case ToAll():
            return Everyone()
        case OpenIDList() | ListToCome():
            return audience


def content_of(request: Request, *, limit: int) -> Content:
    """Return the content of a request; *limit*: characters of a text. Raises ContentError."""
    try:
        return contents.of_object(request.content, limit=limit)
    except ContentError as error:
        facts = dict(error.facts)
        inner = str(facts.get("field", ""))
        # Its own errors know nothing of the body around it.
        facts["field"] = "content" if inner in {"", "content"} else field_of(("content", inner))
        raise ContentError(error.message_id, **facts) from None


def checked_late_by(text: str) -> timedelta:
    """Return the time of ``late_by``. Raises RequestError."""
    try:
        return parse_late_by(text)
    except ValueError:
        raise RequestError(
            "error.request.late_by", field="late_by", text=quoted(text, SHOWN)
        ) from None


def _selection(request: Request, account: Account, *, key: str) -> Selection:
    return Selection(
        exclude=exclusions_of(request),
        only_current=request.only_current,
        sample=None
        if request.sample is None
        else Sample(
            size=checked_size_of(request.sample), seed=seed_of(appid=account.appid, key=key)
        ),
        ignore_suppression=request.ignore_suppression,
    )


def exclusions_of(request: Request) -> tuple[Exclusion, ...]:
    """Return the exclusions of a request, each once. Raises RequestError."""
    return tuple(sorted({_exclusion(text, n) for n, text in enumerate(request.exclude)}))


def _exclusion(text: str, n: int) -> Exclusion:
    word, _, value = text.partition(":")
    field = f"exclude.{n}"
    if word == Excluded.BROADCAST and _ID.match(value):
        return Exclusion(kind=Excluded.BROADCAST, value=value)
    is_number = value.isascii() and value.isdigit() and len(value) <= _LONGEST_TAG
    if word == Excluded.TAG and is_number:
        return Exclusion(kind=Excluded.TAG, value=str(int(value)))
    raise RequestError("error.request.exclude", field=field, text=quoted(text, SHOWN))


def checked_size_of(text: str) -> str:
    """Return the size of ``sample``. Raises RequestError."""
    try:
        return checked_size(text)
    except ValueError:
        raise RequestError(
            "error.request.sample", field="sample", text=quoted(text, SHOWN)
        ) from None


_RECEIVER: Final = "notify.url"


def refuse_what_is_not_so(found: ParsedRequest, *, settings: Settings, engine: Engine) -> None:
    """Raise what refuses a request because of settings or of what the ledger has.

    That is RequestError, ContentError, InputError, UnknownIdError and DatabaseAwayError.
    """
    request, order = found.request, found.order
    content_of(request, limit=settings.text_limit)
    _refuse_exclusions(found, order.account, engine)
    if request.notify is not None:
        _refuse_receiver(request.notify, settings)


def _refuse_exclusions(found: ParsedRequest, account: Account, engine: Engine) -> None:
    for n, text in enumerate(found.request.exclude):
        kind, _, value = text.partition(":")
        if kind == Excluded.BROADCAST:
            checks.refuse_what_lists_nobody(engine, account, value, field=f"exclude.{n}")


def _refuse_receiver(receiver: Receiver, settings: Settings) -> None:
    problem = settings.receiver_problem(receiver.url)
    if problem is not None:
        # Only such an address is good where its network was allowed.
        by_network = problem.id in {"webhook.url.private", "webhook.url.https"}
        name = "error.request.notify" if by_network else "error.request.wrong"
        raise RequestError(name, field=_RECEIVER, reason=problem)
    if not settings.signing_secrets():
        raise RequestError("error.request.notify_unsigned", field="notify", name=SECRETS)
