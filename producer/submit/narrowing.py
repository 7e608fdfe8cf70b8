"""Narrowing: the part of an audience that would get it now, before anything is stored.

The plan decides, with what is known by then; whom a tag means only WeChat knows, and the plan asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Engine

from broadcast.errors import PlanError
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan import cut
from broadcast.rules.plan.audience import Followers
from broadcast.rules.plan.cut import CHUNK, LEFT, SMALLEST, Chunk, chunked
from broadcast.rules.plan.selection import Excluded, Selection
from models.ledger.lists import suppressions
from models.ledger.plan import plans
from producer.audience import openid_list
from producer.submit.order import StoredAudience

if TYPE_CHECKING:
    from broadcast.rules.plan.selection import Removal
    from broadcast.sorted_openids import IDs


#: How many have a tag by WeChat's count; None: it does not say.
Tagged: TypeAlias = Callable[[Account, int], int | None]


@frozen
class Estimate:
    """Numbers of those left out by reason, and of those who get it, by the facts known now."""

    left_out: Mapping[str, int]
    left: int
    #: When the newest list of followers was asked for; None where none is used.
    synced_at: datetime | None = None
    #: Tags are named, of whom only the plan knows who has them, or broadcasts that are not planned
    #: yet: fewer may get it.
    at_most: bool = False
    #: How many there were before a sample was drawn; None: no sample is wanted.
    before_sample: int | None = None

    @property
    def counted(self) -> int:
        """The number of followers whose earlier broadcasts are counted.

        Who is in a sample is not known before who is left is.
        """
        whole = self.before_sample is not None and self.at_most
        return self.before_sample or 0 if whole else self.left


@frozen
class Narrowing:
    """An audience, who of it is meant, and where to look."""

    engine: Engine
    account: Account
    wanted: StoredAudience
    selection: Selection
    #: The lists of the exclusions that are files, in the order of the exclusions.
    files: Sequence[openid_list.OpenIDs]

    @property
    def is_known_to_wechat_alone(self) -> bool:
        """True if only WeChat can say who of our followers is meant."""
        audience = self.wanted.audience
        return audience.path is SendPath.SENDALL or (
            isinstance(audience, Followers) and audience.tag_id is not None
        )

    def refuse_what_cannot_be(self, *, at: datetime) -> None:
        """Raise PlanError where nobody can be left out, or nobody will know who by its plan.

        *at*: when it is planned.
        """
        audience, name = self.wanted.audience, self.account.name
        if audience.path is SendPath.SENDALL:
            if self.selection.narrows:
                raise PlanError("error.plan.narrowed_sendall")
            count = 0
            if not self.selection.ignore_suppression:
                count = suppressions.count(self.engine, name)
            if count:
                one = "" if count > 1 else "_one"
                raise PlanError(f"error.plan.suppressed_sendall{one}", account=name, count=count)
        elif (isinstance(audience, Followers) or self.selection.only_current) and (
            self._synced_at() is None
        ):
            raise PlanError("error.plan.never_synced", account=name)
        for one in self._unplanned():
            # One that is planned by then is waited for.
            due_at = plans.due_at(self.engine, one)
            if due_at is None or due_at > at:
                raise PlanError("error.plan.excludes_unplanned", id=one)

    def is_counted(self) -> bool:
        """Return whether who gets it must be counted: not where it is the list as it was given.

        Nor where nobody can.
        """
        audience = self.wanted.audience
        if audience.path is SendPath.SENDALL:
            return False
        if isinstance(audience, Followers):
            return True
        from models.ledger.plan import removals

        return removals.leaves_out(self.engine, self.account.name, self.selection)

    def estimate(self, tagged: Tagged | None = None) -> Estimate:
        """Count who gets it, where :meth:`is_counted`.

        Of followers with a tag they are at most as many as WeChat counts (*tagged*). Raises
        PlanError where nobody would get it, or one person, whom mass/send does not send to.
        """
        counts: Counter[str] = Counter()
        for found in self._parts():
            counts.update({what: len(ids) for what, ids in found})
        left = self._with_tag(counts.pop(LEFT, 0), tagged)
        people = left
        if self.selection.sample is not None:
            size = self.selection.sample.size_among(left)
            counts["sampled_out"] += left - size
            left = size
        if left < SMALLEST:
            raise self._too_few(counts, left=left, people=people)
        used = isinstance(self.wanted.audience, Followers) or self.selection.only_current
        return Estimate(
            left_out={reason: n for reason, n in counts.items() if n},
            left=left,
            synced_at=self._synced_at() if used else None,
            at_most=self._is_at_most(),
            before_sample=None if self.selection.sample is None else people,
        )

    def _with_tag(self, left: int, tagged: Tagged | None) -> int:
        audience = self.wanted.audience
        if tagged is None or not isinstance(audience, Followers) or audience.tag_id is None:
            return left
        count = tagged(self.account, audience.tag_id)
        # WeChat's count lags: that of a new tag refuses nothing.
        return left if count is None else min(left, max(count, SMALLEST))

    def _too_few(self, counts: Counter[str], *, left: int, people: int) -> PlanError:
        """Return why too few are left; *people* were left before the sample was drawn."""
        sample = self.selection.sample
        if sample is not None and people >= SMALLEST:
            return PlanError(
                "error.plan.sample_too_small", sample=sample.size, people=people, left=left
            )
        if not left and set(+counts) == {"suppressed"}:
            return PlanError("error.plan.all_suppressed", count=counts["suppressed"])
        return PlanError(
            "error.plan.one_left" if left else "error.plan.nobody_left",
            **{reason: counts[reason] for reason in _SHOWN},
        )

    def applied(self, estimate: Estimate, *, largest: int) -> StoredAudience:
        """Return the audience with the calls that it takes by an estimate."""
        sizes = list(cut.cut(estimate.left, largest))
        figures = replace(self.wanted.figures, calls=len(sizes))
        return replace(self.wanted, figures=figures, sizes=sizes)

    def left(self) -> Iterator[Chunk]:
        """Yield those left and in the sample, in chunks; before it where it cannot be drawn yet.

        See :attr:`Estimate.counted`.
        """
        from broadcast.rules.plan import leaving
        from broadcast.sorted_openids import packed

        pieces, sample = self._left(), self.selection.sample
        if sample is not None and not self._is_at_most():
            pieces = leaving.drawn(self._left, sample)
        return chunked(map(packed, pieces), most=CHUNK)

    def _left(self) -> Iterator[IDs]:
        return (ids for found in self._parts() for what, ids in found if what == LEFT)

    def _is_at_most(self) -> bool:
        return self._names_tags() or bool(self._unplanned())

    def _unplanned(self) -> Sequence[str]:
        if not any(one.kind is Excluded.BROADCAST for one in self.selection.exclude):
            return ()
        from models.ledger.plan import removals

        return removals.unplanned(self.engine, self.selection)

    def _names_tags(self) -> bool:
        audience = self.wanted.audience
        with_tag = isinstance(audience, Followers) and audience.tag_id is not None
        return with_tag or any(one.kind is Excluded.TAG for one in self.selection.exclude)

    def _synced_at(self) -> datetime | None:
        from models.ledger.followers import followers

        newest = followers.newest(self.engine, self.account.name)
        return None if newest is None else newest.started_at

    def _parts(self) -> Iterator[list[tuple[str, IDs]]]:
        from broadcast.rules.plan import leaving

        return leaving.parts(self._people(), self._removals())

    def _people(self) -> Iterable[IDs]:
        from broadcast.sorted_openids import unpacked
        from models.ledger.plan import subtract

        if isinstance(self.wanted.audience, Followers):
            return subtract.followed(self.engine, self.account.name)
        return (unpacked(chunk.packed) for chunk in self.wanted.chunks())

    def _removals(self) -> list[Removal]:
        from models.ledger.plan import removals

        files = [(chunk.packed for chunk in one.chunks()) for one in self.files]
        given = removals.CallerLists(files=files, unplanned=self._unplanned())
        return removals.removals_of(self.engine, self.account.name, self.selection, given=given)


_SHOWN = ("suppressed", "excluded", "unsubscribed", "sampled_out")
