"""Tags that a send names, by id or by name: WeChat is asked which they are, where it can be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from broadcast.accounts import Account
from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.message import Message
from broadcast.plan.submission import Body
from broadcast.shown import one_line
from presentation.words import MOST_NAMED as MOST_NEAR
from producer import tag_check
from producer.tag_check import ListedTag
from wechat.api.tags import SYSTEM_TAGS, TagInfo, TagsGet

if TYPE_CHECKING:
    from cli.wiring.wechat import WeChat

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

    def look(self, body: Body) -> list[ListedTag]:
        """Return what WeChat says of the tags of *body*; nothing where it gives no answer.

        Raises InputError for a tag that does not exist, and for an id that is another's name.
        """
        if not tag_check.named(body):
            return []
        try:
            there = self.there()
        except BroadcastError:
            # What keeps WeChat from an answer is said of its quota; the plan asks for the people.
            return []
        for number in sorted(self._numbers):
            _refuse_several(there, str(number))
        return tag_check.listed(body, there)

    def empty(self, body: Body, *, refuse: bool) -> list[Message]:
        """Do as :func:`producer.tag_check.empty` with what WeChat was asked for, if it was."""
        return tag_check.empty(body, self._there or (), refuse=refuse)


def is_id(text: str) -> bool:
    """Return whether *text* is taken for a tag's id."""
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST


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
