"""Options for a broadcast's audience, its exclusions, and the way it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from broadcast.day import SHANGHAI
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.gates.cooling_off import CoolingOff, parse_length
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
from broadcast.rules.plan.submission import Terms
from broadcast.settings.program_settings import Settings
from entrypoints.cli import which
from entrypoints.cli.group import OptionGroup
from entrypoints.cli.run import Run, who
from entrypoints.cli.terminal import parsed, short
from producer.audience import exclusion_files
from producer.audience.openid_list import OpenIDs
from producer.audience.source import STDIN
from producer.submit import checks
from producer.submit.checks import Read
from producer.submit.order import (
    HIGHEST_PRIORITY,
    Order,
    checked_key,
    checked_title,
    new_key,
    parse_at,
)


@frozen
class ListFile:
    """A list that is still to be read."""

    #: A path, or ``-``.
    source: str

    @property
    def name(self) -> str | Message:
        """The name that a person knows it by."""
        return STDIN if self.source == "-" else Path(self.source).name


Target: TypeAlias = ListFile | Followers | Tag | Everyone


def refuse_unsaid(*, to_all: bool, yes_to_all: bool, asks: bool) -> None:
    """Raise InputError for everybody where that is not said, and for the word of it elsewhere.

    *asks*: a person is there who can be asked.
    """
    if yes_to_all and not to_all:
        raise InputError("error.usage.yes_without_to_all")
    if to_all and not (yes_to_all or asks):
        raise InputError("error.usage.to_all")


@frozen
class AudienceOptions(OptionGroup):
    """Options for the audience: exactly one; several of one kind are counted as well."""

    openids: Annotated[
        list[str] | None, typer.Option("--openids", metavar="FILE", help="help.send.openids")
    ] = None
    followers: Annotated[bool, typer.Option("--followers", help="help.send.followers")] = False
    with_tag: Annotated[
        str | None, typer.Option("--with-tag", metavar="TAG", help="help.send.with_tag")
    ] = None
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="help.send.tag")] = (
        None
    )
    to_all: Annotated[bool, typer.Option("--to-all", help="help.send.to_all")] = False
    yes_to_all: Annotated[bool, typer.Option("--yes-to-all", help="help.send.yes_to_all")] = False

    def check(self, *, asks: bool) -> None:
        """Check them; *asks*: a person is there who can be asked.

        Raises InputError for none, for several, and for everybody where nobody said so in as many
        words and nobody can be asked.
        """
        self._refuse_all_but_one()
        if self.with_tag is not None and not self.followers:
            raise InputError("error.usage.with_tag_alone")
        refuse_unsaid(to_all=self.to_all, yes_to_all=self.yes_to_all, asks=asks)
        if self.openids == [""]:
            raise InputError("error.usage.empty_audience")
        for text in (*(self.tag or ()), *((self.with_tag,) if self.with_tag is not None else ())):
            if not text.strip():
                raise InputError("error.usage.empty_tag")

    def _refuse_all_but_one(self) -> None:
        given = {
            "--followers": int(self.followers),
            "--openids": len(self.openids or ()),
            "--tag": len(self.tag or ()),
            "--to-all": int(self.to_all),
        }
        names = [name for name, count in given.items() if count]
        if not names:
            raise InputError("error.usage.no_audience")
        if names == ["--openids"] and given["--openids"] > 1:
            raise InputError("error.usage.two_audiences")
        if sum(given.values()) > 1:
            raise InputError("error.usage.several_audiences", options=", ".join(names))

    def target(self, tag_id: Callable[[str], int]) -> Target:
        """Return the one audience that was given; *tag_id* returns the id of a tag by its name."""
        if self.openids:
            return ListFile(source=self.openids[0])
        if self.followers:
            with_tag = None if self.with_tag is None else tag_id(self.with_tag)
            return Followers(tag_id=with_tag)
        return Tag(tag_id=tag_id(self.tag[0])) if self.tag else Everyone()


@frozen
class Narrowed:
    """A selection, and the lists of its files in their order; close them."""

    selection: Selection
    files: Sequence[OpenIDs]


@frozen
class NarrowingOptions(OptionGroup):
    """Options for exclusions; without any of them, the suppressed alone are left out."""

    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="WHOM", help="help.send.exclude")
    ] = None
    only_current: Annotated[bool, typer.Option("--only-current", help="help.send.only_current")] = (
        False
    )
    sample: Annotated[
        str | None, typer.Option("--sample", metavar="N|P%", help="help.send.sample")
    ] = None
    ignore_suppression: Annotated[
        bool, typer.Option("--ignore-suppression", help="help.send.ignore_suppression")
    ] = False

    def check(self) -> None:
        """Raise InputError for options that are not written as they should be."""
        self._exclusions()
        if self.sample is not None:
            _size_of(self.sample)

    @contextmanager
    def read(
        self, run: Run, account: Account, *, key: str, tag_id: Callable[[str], int]
    ) -> Iterator[Narrowed]:
        """Yield the selection, with its files read; *tag_id* returns the id of a tag by its name.

        Raises InputError, UnknownIdError, and AudienceError for a file that cannot be used: a line
        that names nobody may be somebody who is not to get it.
        """
        with exclusion_files.read(self.files) as read:
            found = set(read)
            for kind, value in self._exclusions():
                if kind is Excluded.TAG:
                    found.add(Exclusion(kind=kind, value=str(tag_id(value))))
                elif kind is Excluded.BROADCAST:
                    found.add(Exclusion(kind=kind, value=_broadcast(run, account, value)))
            yield Narrowed(
                selection=Selection(
                    exclude=tuple(sorted(found)),
                    only_current=self.only_current,
                    sample=self._sample(account, key),
                    ignore_suppression=self.ignore_suppression,
                ),
                files=list(read.values()),
            )

    @property
    def files(self) -> Sequence[str]:
        """The paths of the files among the exclusions."""
        return [value for kind, value in self._exclusions() if kind is Excluded.FILE]

    def _exclusions(self) -> Sequence[tuple[Excluded, str]]:
        return sorted({_kind_of(text) for text in self.exclude or ()})

    def _sample(self, account: Account, key: str) -> Sample | None:
        if self.sample is None:
            return None
        return Sample(size=_size_of(self.sample), seed=seed_of(appid=account.appid, key=key))


def _kind_of(text: str) -> tuple[Excluded, str]:
    word, _, value = text.partition(":")
    if word not in set(Excluded) or not value.strip():
        raise InputError("error.usage.exclude", text=short(text, 60))
    if (word, value) == (Excluded.FILE, "-"):
        raise InputError("error.usage.exclude_stdin")
    return Excluded(word), value


def _size_of(text: str) -> str:
    return parsed(checked_size, text, "error.usage.sample")


def _broadcast(run: Run, account: Account, name: str) -> str:
    """Return the id of a broadcast to a list of the same account."""
    broadcast_id = which.stored(run, name)
    checks.refuse_what_lists_nobody(run.engine, account, broadcast_id)
    return broadcast_id


Priority = Annotated[
    int,
    typer.Option(
        "--priority", min=-HIGHEST_PRIORITY, max=HIGHEST_PRIORITY, help="help.send.priority"
    ),
]


@frozen
class OrderOptions(OptionGroup):
    """All of an order but its account, its audience and its content."""

    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="help.send.title")
    ] = None
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="help.send.key")] = None
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="help.send.at")] = None
    late_by: Annotated[
        str | None, typer.Option("--late-by", metavar="D", help="help.send.late_by")
    ] = None
    cooling_off: Annotated[
        str | None, typer.Option("--cooling-off", metavar="D", help="help.send.cooling_off")
    ] = None
    spread_days: Annotated[bool, typer.Option("--spread-days", help="help.send.spread_days")] = (
        False
    )
    priority: Priority = 0
    again: Annotated[bool, typer.Option("--again", help="help.send.again")] = False

    def order(self, settings: Settings, account: Account, read_content: Read) -> Order:
        """Return the order of *read_content*. Raises InputError."""
        return Order(
            account=account,
            content=read_content.content,
            draft=read_content.draft,
            key=checked_key(new_key() if self.key is None else self.key),
            scheduled_at=None if self.at is None else parse_at(self.at, now=datetime.now(UTC)),
            terms=Terms(
                who=who(),
                again=self.again,
                spread_days=self.spread_days,
                priority=self.priority,
                batch_size=settings.batch_size,
                title=read_content.title if self.title is None else checked_title(self.title),
                late_by=settings.late_by if self.late_by is None else late_by_of(self.late_by),
            ),
        )

    def kept_back(self, settings: Settings, *, asks: bool) -> CoolingOff:
        """Return for how long the first call is kept back; nobody is asked: it is not.

        *asks*: a person is asked. Raises InputError, also where it was said in so many words and
        nobody is.
        """
        if self.cooling_off is None:
            return settings.cooling_off if asks else NOT_KEPT_BACK
        length = parsed(parse_length, self.cooling_off, "error.usage.cooling_off")
        if length and not asks:
            raise InputError("error.usage.cooling_off_unasked")
        return CoolingOff(length=length)


NOT_KEPT_BACK: Final = CoolingOff(length=timedelta())


def absolute(text: str, at: datetime) -> str:
    """Return the ``--at`` that means *at* on any day: *text*, if it does."""
    try:
        parse_at(text)
    except InputError:
        return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    return text


def late_by_of(text: str) -> timedelta:
    """Return how late a first call may come. Raises InputError."""
    return parsed(parse_late_by, text, "error.usage.late_by")
