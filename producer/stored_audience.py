"""Whom an order is for: a list that was read, or one that is kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TypeAlias

from broadcast import plan
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.plan.audience import Audience, Everyone, Followers, OpenIDs, Tag
from broadcast.plan.chunk import Chunk
from broadcast.plan.submission import Figures
from producer import audience as audiences

#: A list is read and stored at the submit; whom the others mean is found later.
Whom: TypeAlias = audiences.Audience | Followers | Tag | Everyone


@frozen
class StoredAudience:
    """What is stored of an audience, as it was asked for."""

    audience: Audience
    figures: Figures
    #: Of the calls that it takes if nobody is left out; empty where that is not known.
    sizes: Sequence[int] = ()
    notices: tuple[Message, ...] = ()
    #: The list in chunks, which may be read again; None: there is none to store.
    listed: audiences.Audience | None = field(default=None, repr=False)

    def chunks(self) -> Iterable[Chunk]:
        """Yield the list in chunks; nothing where it is kept elsewhere."""
        return () if self.listed is None else self.listed.chunks()


def stored_audience_of(whom: Whom, *, largest: int) -> StoredAudience:
    """Return what is stored of *whom*; *largest*: OpenIDs in one call at most."""
    match whom:
        case audiences.Audience():
            return _of_list(whom, largest=largest)
        case Followers():
            return StoredAudience(
                audience=whom, figures=Figures(planned=None, calls=None, samples={})
            )
        case Tag() | Everyone():
            return StoredAudience(audience=whom, figures=Figures(planned=None, calls=1, samples={}))


def _of_list(given: audiences.Audience, *, largest: int) -> StoredAudience:
    sizes = list(plan.cut(given.planned, largest))
    figures = Figures(
        read=given.read, malformed=given.malformed.count, duplicate=given.duplicate.count,
        planned=given.planned, calls=len(sizes),
        samples={
            "malformed": (given.malformed.count, given.malformed.sample),
            "duplicate": (given.duplicate.count, given.duplicate.sample),
        },
    )  # fmt: skip
    return StoredAudience(
        audience=OpenIDs(digest=given.digest), figures=figures, sizes=sizes,
        notices=_doubtful(given), listed=given,
    )  # fmt: skip


def _doubtful(given: audiences.Audience) -> tuple[Message, ...]:
    """Notice OpenIDs that do not look like WeChat's; its pages do not say that they must."""
    count = given.planned - given.beginning_with("o")
    if not count:
        return ()
    return (Message("notice.audience.not_o", count=count, planned=given.planned),)
