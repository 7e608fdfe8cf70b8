"""The options that say whom a broadcast goes to: exactly one audience, and none is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.plan.audience import Everyone, Followers, Tag
from cli.option_group import OptionGroup
from producer.audience.source import STDIN


@frozen
class ListFile:
    """A list that is still to be read."""

    #: A path, or ``-``.
    source: str

    @property
    def name(self) -> str | Message:
        """What a person calls it."""
        return STDIN if self.source == "-" else Path(self.source).name


Target: TypeAlias = ListFile | Followers | Tag | Everyone


@frozen
class AudienceOptions(OptionGroup):
    """Exactly one audience; several of one kind are counted as well."""

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
        if self.yes_to_all and not self.to_all:
            raise InputError("error.usage.yes_without_to_all")
        if self.to_all and not (self.yes_to_all or asks):
            raise InputError("error.usage.to_all")
        if self.openids == [""]:
            raise InputError("error.usage.empty_audience")
        for text in (*(self.tag or ()), *((self.with_tag,) if self.with_tag is not None else ())):
            if not text.strip():
                raise InputError("error.usage.empty_tag")

    def _refuse_all_but_one(self) -> None:
        given = {
            "--followers": int(self.followers), "--openids": len(self.openids or ()),
            "--tag": len(self.tag or ()), "--to-all": int(self.to_all),
        }  # fmt: skip
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
