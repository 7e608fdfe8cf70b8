"""A launch becomes a broadcast by the door of programs, or nothing is stored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.campaigns.launches import Agreed, brakes
from broadcast.rules.campaigns.template import Template
from broadcast.rules.plan.audience import Tag
from broadcast.rules.plan.selection import Exclusion
from broadcast.rules.plan.submission import LaunchOf
from models.ledger.campaigns import launch_rows
from models.ledger.campaigns.launch_rows import ReservedLaunch
from producer.audience import exclusion_files, openid_list
from producer.audience.openid_list import OpenIDs
from producer.audience.source import regular
from producer.campaigns import campaign_drafts
from producer.request import shape
from producer.request.door import SubmitService
from producer.request.meaning import ParsedRequest, parsed_request
from producer.submit.order import Order, Whom
from producer.submit.prepare import Prepared
from producer.submit.store import Submitted, store

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from broadcast.rules.accounts import Account
    from producer.wiring.wechat import WeChat

#: One of so many lines of a file that are no OpenIDs make it doubtful.
_ONE_OF: Final = 20
#: WeChat's and the database's, at most.
_CLOCKS_DIFFER: Final = timedelta(minutes=1)


def with_draft(
    taken: ReservedLaunch, account: Account, *, engine: Engine, wechat: WeChat
) -> ReservedLaunch:
    """Return a launch with its article's draft, which is kept with it: nobody makes a second one.

    Raises as :func:`producer.campaigns.campaign_drafts.with_its_draft`.
    """
    template, since = taken.launch.template, None
    if taken.was_tried:
        since = (taken.launch.released_at or taken.launch.due_at) - _CLOCKS_DIFFER
    whole = campaign_drafts.with_its_draft(
        template, account, engine=engine, wechat=wechat, since=since
    )
    if whole == template:
        return taken
    launch_rows.keep_template(engine, taken.launch.id, whole)
    return replace(taken, launch=replace(taken.launch, template=whole))


def launch(taken: ReservedLaunch, door: SubmitService) -> Submitted:
    """Submit the template of a launch that was taken; its row is *launched* with the broadcast.

    Raises InputError (it is refused, or doubtful unless a person let it go; RepeatedSendError: a
    run by hand sends what went to the same audience of late) and OutOfReachError
    (NotBegunError: it is none any more).
    """
    template = taken.launch.template
    # Runs of a schedule are no repeats of each other: another due time is another send.
    again = taken.launch.released_by is None or template.again
    with prepared(taken, template, door, again=again) as found:
        # A program that let it go was shown nothing, and means it.
        is_meant = taken.launch.released_by is not None and template.agreed is None
        for doubt in () if is_meant else found.doubts:
            raise InputError(doubt.id, **doubt.facts)
        return store(found.ready, engine=door.engine, waker=door.waker)


@frozen
class PreparedLaunch:
    """A launch as it would be stored."""

    order: Order
    ready: Prepared
    #: People in its audience, as far as is known before its plan.
    size: int | None
    #: For what it is held unless a person let it go.
    doubts: Sequence[Message]


@contextlib.contextmanager
def prepared(
    taken: ReservedLaunch, template: Template, door: SubmitService, *, again: bool
) -> Iterator[PreparedLaunch]:
    """Return a launch as it would be stored, with its list open. Raises as :func:`launch`.

    Not *again*: raises RepeatedSendError, too.
    """
    parsed = _parsed(taken, template, door, again=again)
    with (
        exclusion_files.read(map(regular, template.exclude_files)) as left_out,
        _whom(parsed, template) as whom,
    ):
        parsed = _without(parsed, left_out)
        ready = door.prepared(parsed, whom)
        size = _size(ready, door)
        terms = replace(ready.terms, launch=LaunchOf(id=taken.launch.id, size=size))
        if template.agreed is not None:
            terms = replace(terms, cooling_off=template.agreed.kept_back(ready.people))
        yield PreparedLaunch(
            order=parsed.order,
            ready=replace(ready, terms=terms),
            size=size,
            doubts=list(_doubts(ready, taken, template.agreed, size=size)),
        )


def _parsed(
    taken: ReservedLaunch, template: Template, door: SubmitService, *, again: bool
) -> ParsedRequest:
    launch = taken.launch
    # A broadcast that nobody got keeps its key.
    key = f"{launch.key}:{launch.broadcast_id}" if launch.broadcast_id else launch.key
    parsed = parsed_request(
        shape.parse(template.request),
        key=key,
        who=_who(taken),
        settings=door.settings,
        waiting_since=launch.released_at or launch.due_at,
    )
    terms = parsed.order.terms
    terms = replace(
        terms, again=again, title=terms.title or taken.name, late_by=taken.policy.late_by
    )
    return replace(parsed, order=replace(parsed.order, terms=terms))


def _without(parsed: ParsedRequest, left_out: Mapping[Exclusion, OpenIDs]) -> ParsedRequest:
    """Return an order that leaves out the people of files, too."""
    order = parsed.order
    exclude = tuple(sorted({*order.selection.exclude, *left_out}))
    selection = replace(order.selection, exclude=exclude)
    return replace(
        parsed, order=replace(order, selection=selection, excluded=list(left_out.values()))
    )


def _who(taken: ReservedLaunch) -> str:
    person = taken.launch.released_by
    return f"campaign {taken.name}" if person is None else f"{person} (campaign {taken.name})"[:128]


def _whom(parsed: ParsedRequest, template: Template) -> contextlib.AbstractContextManager[Whom]:
    if template.audience_file is None:
        return parsed.whom()
    return openid_list.read(Path(regular(template.audience_file)))


def _size(ready: Prepared, door: SubmitService) -> int | None:
    """Return how many people a launch goes to, as far as is known before its plan."""
    body = ready.body
    if isinstance(body.audience, Tag) and door.looks is not None:
        tags = door.looks.tags(body.account) or ()
        return next((one.count for one in tags if one.id == body.audience.tag_id), None)
    return ready.people


def _doubts(
    ready: Prepared, taken: ReservedLaunch, agreed: Agreed | None, *, size: int | None
) -> Iterator[Message]:
    """Yield what a person is to be asked about, or in what it is not as the person agreed to."""
    owner, figures = ready.list_owner, ready.figures
    if agreed is None and figures.malformed * _ONE_OF > figures.read:
        yield Message("error.launch.malformed", count=figures.malformed, read=figures.read)
    is_meant = agreed is not None and agreed.list_is_meant
    if owner is not None and owner.must_be_confirmed and not is_meant:
        yield Message("error.launch.list_owner", problem=owner.message)
    last, name = taken.last_size, "error.launch.size"
    if agreed is not None:
        last, name = agreed.size, "error.launch.not_as_shown"
    if brakes(taken.policy, last=last, size=size):
        yield Message(name, size=size, last=last, brake=taken.policy.size_brake)
