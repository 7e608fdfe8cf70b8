"""Tags that a broadcast names, held against those that its account has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.plan.audience import Followers, Tag
from broadcast.plan.selection import Excluded
from broadcast.plan.submission import Body
from broadcast.shown import one_line

#: Most tags that an error names.
MOST_NAMED: Final = 10


class ListedTag(Protocol):
    """A tag as WeChat lists it."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def name(self) -> str:
        """What the account calls it."""

    @property
    def count(self) -> int | None:
        """How many have it; WeChat's count lags. None: it does not say."""


def named(body: Body) -> list[int]:
    """Return the tags that a send goes to or leaves out."""
    found = {int(one.value) for one in body.selection.exclude if one.kind is Excluded.TAG}
    if isinstance(body.audience, Tag | Followers) and body.audience.tag_id is not None:
        found.add(body.audience.tag_id)
    return sorted(found)


def listed(body: Body, there: Sequence[ListedTag]) -> list[ListedTag]:
    """Return what WeChat says of the tags of *body*. Raises InputError for one that is not there.

    Of a tag that WeChat does not list, 0 say, it names nobody and gives no error.
    """
    by_id = {one.id: one for one in there}
    for tag_id in named(body):
        if tag_id not in by_id:
            raise InputError(
                "error.tag.unknown" if there else "error.tag.none", tag=tag_id,
                field=_field(body, tag_id), account=body.account.name, tags=_names(there),
            )  # fmt: skip
    return [by_id[tag_id] for tag_id in named(body)]


def empty(body: Body, there: Sequence[ListedTag], *, refuse: bool) -> list[Message]:
    """Return that WeChat counts nobody with the tag that *body* goes to, where that is so.

    Raises InputError instead if *refuse*: nobody would read it before the call.
    """
    wanted = body.audience.tag_id if isinstance(body.audience, Tag) else None
    found = [one for one in there if one.id == wanted and one.count == 0]
    facts = [
        {"id": one.id, "name": one_line(one.name), "account": body.account.name} for one in found
    ]
    if facts and refuse:
        raise InputError("error.tag.empty", field="audience.tag_id", **facts[0])
    return [Message("notice.tag.empty", **each) for each in facts]


def _field(body: Body, tag_id: int) -> str:
    """Return where a request names a tag."""
    match body.audience:
        case Tag(tag_id=number) if number == tag_id:
            return "audience.tag_id"
        case Followers(tag_id=number) if number == tag_id:
            return "with_tag"
    return "exclude"


def _names(there: Sequence[ListedTag]) -> str:
    shown = ", ".join(f"{one.id} {one_line(one.name)}" for one in there[:MOST_NAMED])
    return shown + (", …" if len(there) > MOST_NAMED else "")
