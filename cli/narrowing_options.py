"""The options that say who of an audience is not meant."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from broadcast.accounts import Account
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.plan.selection import (
    Excluded,
    Exclusion,
    Sample,
    Selection,
    checked_size,
    seed_of,
)
from broadcast.shown import one_line
from cli import which
from cli.option_group import OptionGroup
from cli.wiring.run import Run
from producer import audience as audiences
from producer import exclusions
from producer.audience import Audience

#: Bad lines of a file that are named.
NAMED = 5


@frozen
class Narrowed:
    """A selection, and the lists of its files in their order; close them."""

    selection: Selection
    files: Sequence[Audience]


@frozen
class NarrowingOptions(OptionGroup):
    """Who is left out; without any of them, those who are suppressed alone."""

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
        """Raise InputError for what is not written as it should be."""
        for text in self.exclude or ():
            _kind_of(text)
        if self.sample is not None:
            _size_of(self.sample)

    @contextlib.contextmanager
    def read(
        self, run: Run, account: Account, *, key: str, tag_id: Callable[[str], int]
    ) -> Iterator[Narrowed]:
        """Give the selection, with its files read; *tag_id* returns the id of a tag by its name.

        Raises InputError, UnknownIdError, and AudienceError for a file that cannot be used: a line
        that names nobody may be somebody who is not to get it.
        """
        named = sorted({_kind_of(text) for text in self.exclude or ()})
        with contextlib.ExitStack() as stack:
            paths = [value for kind, value in named if kind is Excluded.FILE]
            lists = [(path, stack.enter_context(_list_in(path))) for path in paths]
            for path, one in lists:
                _refuse_malformed(path, one)
            # The order is that of the digests: the same lists from other files are the same.
            files = {one.digest: one for _, one in lists}
            found = {Exclusion(kind=Excluded.FILE, value=digest) for digest in files}
            for kind, value in named:
                if kind is Excluded.TAG:
                    found.add(Exclusion(kind=kind, value=str(tag_id(value))))
                elif kind is Excluded.BROADCAST:
                    found.add(Exclusion(kind=kind, value=_broadcast(run, account, value)))
            exclude = tuple(sorted(found))
            yield Narrowed(
                selection=Selection(
                    exclude=exclude, only_current=self.only_current,
                    sample=self._sample(account, key), ignore_suppression=self.ignore_suppression,
                ),
                files=[files[one.value] for one in exclude if one.kind is Excluded.FILE],
            )  # fmt: skip

    def _sample(self, account: Account, key: str) -> Sample | None:
        if self.sample is None:
            return None
        return Sample(size=_size_of(self.sample), seed=seed_of(appid=account.appid, key=key))


def _kind_of(text: str) -> tuple[Excluded, str]:
    word, _, value = text.partition(":")
    if word not in set(Excluded) or not value.strip():
        raise InputError("error.usage.exclude", text=one_line(text)[:60])
    if (word, value) == (Excluded.FILE, "-"):
        raise InputError("error.usage.exclude_stdin")
    return Excluded(word), value


def _size_of(text: str) -> str:
    try:
        return checked_size(text)
    except ValueError:
        raise InputError("error.usage.sample", text=one_line(text)[:40]) from None


def _list_in(path: str) -> Audience:
    return audiences.read(Path(path), least=1)


def _broadcast(run: Run, account: Account, name: str) -> str:
    """Return the id of a broadcast to a list of the same account."""
    broadcast_id = which.stored(run, name)
    exclusions.refuse_what_lists_nobody(run.engine, account, broadcast_id)
    return broadcast_id


def _refuse_malformed(path: str, one: Audience) -> None:
    if not one.malformed.count:
        return
    lines = [Message("suppress.line", n=n, text=text) for n, text in one.malformed.sample[:NAMED]]
    raise InputError(
        "error.exclude.malformed", file=Path(path).name, count=one.malformed.count, lines=lines
    )
