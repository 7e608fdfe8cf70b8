"""Tags that a send names, by id or by name: WeChat is asked which they are, where it can be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.hand_calls import HandResult
from broadcast.rules.plan.submission import Body
from broadcast.views.words import MOST_NAMED as MOST_NEAR
from broadcast.wechat.api.tags import SYSTEM_TAGS, TagInfo, TagsGet
from entrypoints.cli.terminal import short
from entrypoints.cli.wechat_calls import Called
from producer.submit import checks
from producer.submit.checks import ListedTag

if TYPE_CHECKING:
    from entrypoints.cli.run import Run

#: Digits of an id.
_LONGEST = 9


class Tags:
    """The tags of an account, for which WeChat is asked once and only where it must be."""

    def __init__(self, run: Run, account: Account) -> None:
        """*run* builds the way to WeChat when it is needed."""
        self._run, self._account = run, account
        self._there: Sequence[TagInfo] | None = None
        #: The ids that were given as such.
        self._numbers: set[int] = set()

    def listed(self) -> Sequence[TagInfo]:
        """Return them. Raises WeChatAwayError and alike."""
        if self._there is None:
            self._there = self._run.wechat.ask(self._account, TagsGet())
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
            return chosen(self.listed(), text, account=self._account.name).id
        except OutOfReachError as error:
            raise OutOfReachError("error.tag.away", text=short(text), problem=error) from None

    def look_up(self, body: Body) -> list[ListedTag]:
        """Return WeChat's tags of *body*; nothing where it gives no answer.

        Raises InputError for a tag that does not exist, and for an id that is another's name.
        """
        if not checks.named_tags(body):
            return []
        try:
            all_tags = self.listed()
        except BroadcastError:
            # What keeps WeChat from an answer is said of its quota; the plan asks for the people.
            return []
        for number in sorted(self._numbers):
            # Refuses an id that is another's name.
            _fitting(all_tags, str(number))
        return checks.listed_tags(body, all_tags)

    def empty(self, body: Body, *, refuse: bool) -> list[Message]:
        """Call :func:`~producer.submit.checks.empty_tags` with WeChat's answer, if it was asked."""
        return checks.empty_tags(body, self._there or (), refuse=refuse)


def is_id(text: str) -> bool:
    """Return whether *text* is taken for a tag's id."""
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST


def chosen(all_tags: Sequence[TagInfo], text: str, *, account: str) -> TagInfo:
    """Return the tag with this id or name.

    Raises InputError for none, for several of one name, and where the id of one is the name of
    another.
    """
    text = text.strip()
    if found := _fitting(all_tags, text):
        return found[0]
    names = difflib.get_close_matches(text, [one.name for one in all_tags], n=3)
    names = names or [one.name for one in all_tags if one.id not in SYSTEM_TAGS][:MOST_NEAR]
    if not names:
        raise InputError("error.tags.none", text=short(text), account=account)
    raise InputError(
        "error.tags.unknown",
        text=short(text),
        account=account,
        names=list(map(one_line, names)),
    )


def _fitting(all_tags: Sequence[TagInfo], text: str) -> Sequence[TagInfo]:
    """Return the tag with this id or name, if there is one. Raises InputError for several."""
    found = [one for one in all_tags if text in {str(one.id), one.name}]
    if len(found) > 1:
        same = all(one.name == text for one in found)
        raise InputError(
            "error.tags.same_name" if same else "error.tags.several",
            text=short(text),
            tags=[f"{one.id} ({one_line(one.name)})" for one in found],
        )
    return found


#: OpenIDs of one page of user/tag/get: what looking costs against doing it again.
PAGE: Final = 10_000

Call = Callable[[Sequence[str]], Called]


@dataclass(slots=True, kw_only=True)
class Tagged:
    """The result of tagging the followers of a list."""

    #: How many had it before, or did not have it; None: nobody looked.
    already: int | None = None
    done: int = 0
    #: Whom WeChat refuses, and what it said.
    refused: list[tuple[str, HandResult]] = field(default_factory=list)
    #: Why it ended before the end of the list, and how many had not been called then.
    ended: Called | None = None
    left: int = 0

    @property
    def meant(self) -> int:
        """The number of followers that needed a call."""
        return self.done + len(self.refused) + self.left


def carry_out(todo: Iterable[str], call: Call, *, most: int, tell: Callable[[int], None]) -> Tagged:
    """Call for each of *todo*, *most* at once; *tell* how many are done now and then.

    No more than *most* of them are held; what is left is counted to its end.
    """
    found, rest = Tagged(), iter(todo)
    while some := list(islice(rest, most)):
        if found.ended is not None:
            found.left += len(some)
            continue
        _some(some, call, found)
        tell(found.done)
    return found


def _some(openids: Sequence[str], call: Call, found: Tagged) -> None:
    """Call for some followers; where one of them is to blame, for each half."""
    rest = [list(openids)]
    while rest:
        some = rest.pop(0)
        if found.ended is not None:
            found.left += len(some)
            continue
        called = call(some)
        if called.result.done:
            found.done += len(some)
        elif called.result.outcome is not Outcome.BAD_RECIPIENTS:
            found.ended, found.left = called, found.left + len(some)
        elif len(some) == 1:
            found.refused.append((some[0], called.result))
        else:
            half = len(some) // 2
            rest[:0] = [some[:half], some[half:]]


def missing(wanted: Iterable[str], present: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each of *wanted* with whether it is *present*; both are sorted, each once."""
    rest = iter(present)
    tagged = next(rest, None)
    for one in wanted:
        while tagged is not None and tagged < one:
            tagged = next(rest, None)
        yield one, tagged == one


def is_lookup_cheaper(*, listed: int, tagged: int | None, most: int) -> bool:
    """Return whether looking who has the tag takes fewer calls than calling for the whole list."""
    return tagged is not None and tagged // PAGE + 2 < listed / most
