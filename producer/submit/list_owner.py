"""Whose followers the OpenIDs of a list are, as far as our copies of followers show it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Engine

from broadcast.frozen import frozen
from broadcast.message import Message
from producer.audience import Audience

#: OpenIDs that are looked up, drawn evenly from the list.
LOOKED_UP = 1_000


@frozen
class ListOwner:
    """A list of which less than half are known as followers of the account, those who left too."""

    account: str
    planned: int
    looked_up: int
    known: int
    #: Another account, and how many of them are known as its followers: more than half.
    other: str | None = None
    known_to_other: int = 0
    #: Another list has another one.
    digest: str

    @property
    def must_be_confirmed(self) -> bool:
        """Whether under 5 % are known, or most to another account."""
        return self.other is not None or self.known * 20 < self.looked_up

    @property
    def id(self) -> str:
        """What confirms these facts: others have another id."""
        facts = (self.account, self.known, self.looked_up, self.other, self.known_to_other)
        return hashlib.sha256(repr((*facts, self.digest)).encode()).hexdigest()[:10]

    @property
    def message(self) -> Message:
        """The figures, in one sentence."""
        name = "list_owner.unknown" if self.other is None else "list_owner.other"
        return Message(
            name, account=self.account, planned=self.planned, looked_up=self.looked_up,
            known=self.known, other=self.other, known_to_other=self.known_to_other,
        )  # fmt: skip


def doubtful(
    engine: Engine, account: str, audience: Audience, *, others: Sequence[str] = ()
) -> ListOwner | None:
    """Return whose list it is where that is doubtful; *others*: the accounts that may be named.

    None also where no whole pass shows the followers of any of them.
    """
    from models.ledger.followers import followers  # noqa: PLC0415 - numpy

    planned, looked_up = audience.planned, min(LOOKED_UP, audience.planned)
    places = (planned * n // looked_up for n in range(looked_up))
    drawn = b"".join(audience.openids.slice(place, 1) for place in places)
    known = followers.known_among(engine, account, drawn)
    if known is not None and known * 2 >= looked_up:
        return None
    counts = ((one, followers.known_among(engine, one, drawn) or 0) for one in others)
    other, theirs = next((one for one in counts if one[1] * 2 > looked_up), (None, 0))
    if known is None and other is None:
        return None
    return ListOwner(
        account=account, planned=planned, looked_up=looked_up, known=known or 0, other=other,
        known_to_other=theirs, digest=audience.digest,
    )  # fmt: skip
