"""Tags that a send names, by id or by name: WeChat is asked which they are, where it can be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from broadcast.accounts import Account
from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.message import Message
from broadcast.plan.audience import Followers, Tag
from broadcast.plan.selection import Excluded
from broadcast.plan.submission import Body
from cli.terminal import one_line
from presentation.words import MOST_NAMED as MOST_NEAR
from wechat.api.tags import SYSTEM_TAGS, TagInfo, TagsGet

if TYPE_CHECKING:
    from cli.wiring.wechat import WeChat

#: Most tags that an error names.
MOST_NAMED = 10
#: Digits of an id.
_LONGEST = 9
_SHOWN = 40


class Tags:
    """The tags of an account, for which WeChat is asked once and only where it must be."""

    def __init__(self, wechat: Callable[[], WeChat], account: Account) -> None:
        """Take the way to WeChat, and whose they are."""
        self._wechat, self._account = wechat, account
        self._there: Sequence[TagInfo] | None = None
        #: The ids that were given as such.
        self._numbers: set[int] = set()

    def there(self) -> Sequence[TagInfo]:
        """Return them. Raises WeChatAwayError and alike."""
        if self._there is None:
            self._there = self._wechat().ask(self._account, TagsGet())
        return self._there

    def id_of(self, text: str) -> int:
        """Return the id that *text* is, or that of the only tag of this name.

        Raises InputError, and OutOfReachError for a name where WeChat gives no answer.
        """
        text = text.strip()
        if is_id(text):
            self._numbers.add(int(text))
            return int(text)
        try:
            return chosen(self.there(), text, account=self._account.name).id
        except OutOfReachError as error:
            problem = OutOfReachError("error.tag.away", text=one_line(text)[:_SHOWN], problem=error)
        raise problem

    def look(self, body: Body) -> list[TagInfo]:
        """Return what WeChat says of the tags of *body*; nothing where it gives no answer.

        Raises InputError for a tag that does not exist, and for an id that is another's name.
        """
        wanted = named(body)
        if not wanted:
            return []
        try:
            there = self.there()
        except BroadcastError:
            # What keeps WeChat from an answer is said of its quota; the plan asks for the people.
            return []
        for number in sorted(self._numbers):
            _refuse_several(there, str(number))
        by_id = {one.id: one for one in there}
        for tag_id in wanted:
            # Of a tag that WeChat does not list, 0 say, it names nobody and gives no error.
            if tag_id not in by_id:
                raise InputError(
                    "error.tag.unknown" if there else "error.tag.none", tag=tag_id,
                    account=self._account.name, tags=_names(there),
                )  # fmt: skip
        return [by_id[tag_id] for tag_id in wanted]

    def empty(self, body: Body, *, refuse: bool) -> list[Message]:
        """Return that WeChat counts nobody with the tag that *body* goes to, where that is so.

        Raises InputError instead if *refuse*: nobody would read it before the call.
        """
        wanted = body.audience.tag_id if isinstance(body.audience, Tag) else None
        found = [one for one in self._there or () if one.id == wanted and one.count == 0]
        facts = [
            {"id": one.id, "name": one_line(one.name), "account": self._account.name}
            for one in found
        ]
        if facts and refuse:
            raise InputError("error.tag.empty", **facts[0])
        return [Message("notice.tag.empty", **each) for each in facts]


def is_id(text: str) -> bool:
    """Return whether *text* is taken for a tag's id."""
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST


def named(body: Body) -> list[int]:
    """Return the tags that a send goes to or leaves out."""
    found = {int(one.value) for one in body.selection.exclude if one.kind is Excluded.TAG}
    if isinstance(body.audience, Tag | Followers) and body.audience.tag_id is not None:
        found.add(body.audience.tag_id)
    return sorted(found)


def chosen(there: Sequence[TagInfo], text: str, *, account: str) -> TagInfo:
    """Return the tag with this id or name.

    Raises InputError for none, for several of one name, and where the id of one is the name of
    another.
    """
    text = text.strip()
    _refuse_several(there, text)
    found = [one for one in there if text in {str(one.id), one.name}]
    if found:
        return found[0]
    names = difflib.get_close_matches(text, [one.name for one in there], n=3)
    names = names or [one.name for one in there if one.id not in SYSTEM_TAGS][:MOST_NEAR]
    if not names:
        raise InputError("error.tags.none", text=one_line(text)[:_SHOWN], account=account)
    raise InputError(
        "error.tags.unknown", text=one_line(text)[:_SHOWN], account=account,
        names=list(map(one_line, names)),
    )  # fmt: skip


def _refuse_several(there: Sequence[TagInfo], text: str) -> None:
    found = [one for one in there if text in {str(one.id), one.name}]
    if len(found) > 1:
        same = all(one.name == text for one in found)
        raise InputError(
            "error.tags.same_name" if same else "error.tags.several", text=one_line(text)[:_SHOWN],
            tags=[f"{one.id} ({one_line(one.name)})" for one in found],
        )  # fmt: skip


def _names(there: Sequence[TagInfo]) -> str:
    shown = ", ".join(f"{one.id} {one.name}" for one in there[:MOST_NAMED])
    return shown + (", …" if len(there) > MOST_NAMED else "")
