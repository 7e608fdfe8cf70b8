"""A launch becomes a broadcast by the door of programs, or nothing is stored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from broadcast.errors import AudienceError, InputError
from broadcast.rules.campaigns.launches import brakes
from broadcast.rules.plan.audience import Tag
from broadcast.rules.plan.submission import LaunchOf
from models.ledger.campaigns import launch_rows
from models.ledger.campaigns.launch_rows import ReservedLaunch
from producer.audience import openid_list
from producer.campaigns import template as templates
from producer.campaigns.template import Template
from producer.request import shape
from producer.request.door import SubmitService
from producer.request.meaning import ParsedRequest, parsed_request
from producer.submit.order import Whom
from producer.submit.prepare import Prepared
from producer.submit.store import Submitted, store
from producer.wiring.wechat import WeChat

#: One of so many lines of a file that are no OpenIDs make it doubtful.
_ONE_OF: Final = 20


def launch(taken: ReservedLaunch, door: SubmitService, wechat: WeChat) -> Submitted:
    """Submit the request of a launch that was taken; its row is *launched* with the broadcast.

    Raises InputError (it is refused, or doubtful unless a person let it go), OutOfReachError
    (NotBegunError: it is none any more) and what keeps WeChat from a draft.
    """
    template = templates.load(taken.launch.request or "")
    account = door.settings.account(taken.launch.account)
    whole = templates.with_its_draft(template, account, engine=door.engine, wechat=wechat)
    if whole != template:
        # Nobody makes a second draft of its article.
        launch_rows.keep_request(door.engine, taken.launch.id, whole.stored)
    with prepared(taken, whole, door) as ready:
        return store(ready, engine=door.engine, waker=door.waker)


@contextlib.contextmanager
def prepared(taken: ReservedLaunch, template: Template, door: SubmitService) -> Iterator[Prepared]:
    """Return a launch as it would be stored, with its list open. Raises as :func:`launch`."""
    order = _order(taken, template, door)
    with _whom(order, template, taken) as whom:
        ready = door.prepared(order, whom)
        size = _size(ready, door)
        if taken.launch.released_by is None:
            _refuse_doubtful(ready, taken, size=size)
        terms = replace(ready.terms, launch=LaunchOf(id=taken.launch.id, size=size))
        yield replace(ready, terms=terms)


def _order(taken: ReservedLaunch, template: Template, door: SubmitService) -> ParsedRequest:
    launch = taken.launch
    parsed = parsed_request(
        shape.parse(template.request), key=launch.key, who=f"campaign {taken.name}",
        settings=door.settings, waiting_since=launch.released_at or launch.due_at,
    )  # fmt: skip
    terms = parsed.order.terms
    # Another due time is no double send.
    terms = replace(
        terms, again=True, title=terms.title or taken.name, late_by=taken.policy.late_by
    )
    return replace(parsed, order=replace(parsed.order, terms=terms))


@contextlib.contextmanager
def _whom(order: ParsedRequest, template: Template, taken: ReservedLaunch) -> Iterator[Whom]:
    if template.audience_file is None:
        with order.whom() as whom:
            yield whom
        return
    path = Path(template.audience_file)
    with openid_list.read(path) as listed:
        few = listed.malformed.count * _ONE_OF <= listed.read
        if taken.launch.released_by is None and not few:
            raise AudienceError(
                "error.launch.malformed", path=path, count=listed.malformed.count, read=listed.read
            )
        yield listed


def _size(ready: Prepared, door: SubmitService) -> int | None:
    """Return how many people a launch goes to, as far as is known before its plan."""
    if ready.estimate is not None:
        return ready.estimate.left
    body = ready.body
    if isinstance(body.audience, Tag) and door.looks is not None:
        tags = door.looks.tags(body.account) or ()
        return next((one.count for one in tags if one.id == body.audience.tag_id), None)
    return ready.figures.planned


def _refuse_doubtful(ready: Prepared, taken: ReservedLaunch, *, size: int | None) -> None:
    """Raise InputError for what a person is asked about."""
    owner = ready.list_owner
    if owner is not None and owner.must_be_confirmed:
        raise InputError("error.launch.list_owner", problem=owner.message)
    if brakes(taken.policy, last=taken.last_size, size=size):
        raise InputError(
            "error.launch.size", size=size, last=taken.last_size, brake=taken.policy.size_brake
        )
