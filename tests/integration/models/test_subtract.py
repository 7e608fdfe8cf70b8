"""The plan leaves people out, by reason and in the open, and nobody sees it before it is whole."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.plan.cut import ASKED, LEFT
from broadcast.rules.plan.selection import Removal
from broadcast.rules.reports import SETS
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.sorted_openids import unpacked
from broadcast.views.json_objects import as_json
from models.every_table import BroadcastRow, ChunkRow
from models.ledger.lists import recipients
from models.ledger.plan import plans, subtract
from models.ledger.rows import transaction
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.words import findings
from tests.kit import ledger
from tests.kit.ledger import Driver, said
from tests.kit.openids import split

pytestmark = pytest.mark.every_database


def removal(reason: str, names: Sequence[str], piece: int = 3) -> Removal:
    """Return people to leave out, some at a time."""
    pieces = (ledger.packed(names[at : at + piece]) for at in range(0, len(names), piece))
    return Removal(reason=reason, pieces=pieces)


def planned(engine: Engine, broadcast_id: str, *removals: Removal) -> bool:
    """Plan a broadcast as the worker does; return whether it goes out."""
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    if not subtract.subtract(engine, row, ledger.account(), removals=removals):
        return False
    ledger.planned(engine, broadcast_id)
    return True


def lists(engine: Engine, broadcast_id: str) -> dict[str, list[str]]:
    """Return what each list holds, by what it is of."""
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        rows = connection.execute(
            select(ChunkRow.list, ChunkRow.openids)
            .where(ChunkRow.broadcast_id == broadcast_id)
            .order_by(ChunkRow.list, ChunkRow.start)
        )
        for name, packed in rows:
            found.setdefault(name.partition(".")[0], []).extend(
                one.decode() for one in unpacked(packed).tolist()
            )
    return found


def members(engine: Engine, broadcast_id: str, name: str) -> list[str]:
    portions = recipients.portions(engine, broadcast_id, name)
    return [one for portion in portions for one in split(portion.openids)]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lists take several chunks, and several transactions."""
    monkeypatch.setattr(subtract, "CHUNK", 7)
    monkeypatch.setattr(subtract, "CHUNKS_AT_ONCE", 2)


PEOPLE = ledger.openids(60)


def test_who_is_removed_is_listed_by_the_first_reason_and_the_rest_is_sent(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    suppressed, excluded = PEOPLE[5:20:2], [*PEOPLE[3:9], "oZ" + "9" * 26]

    assert planned(
        engine, broadcast_id, removal("suppressed", suppressed), removal("excluded", excluded)
    )

    out = {"suppressed": suppressed, "excluded": [PEOPLE[n] for n in (3, 4, 6, 8)]}
    left = [one for one in PEOPLE if one not in {*out["suppressed"], *out["excluded"]}]
    assert lists(engine, broadcast_id) == {ASKED: PEOPLE, LEFT: left, **out}
    assert members(engine, broadcast_id, "waiting") == left
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.audience["suppressed"], told.audience["excluded"]) == (8, 4)
    assert (told.audience["read"], told.audience["planned"]) == (60, 48)
    assert {
        one.reason: (one.count, [text for _, text in one.lines])
        for one in recipients.skipped(engine, broadcast_id)
    } == {reason: (len(names), names) for reason, names in out.items()}
    assert findings(engine) == set()
    Driver(engine).call(said(0, msg_id=1))
    assert members(engine, broadcast_id, "accepted") == left[:10]
    assert findings(engine) == set()


@pytest.mark.parametrize("seed", range(4))
def test_whoever_is_removed_the_sets_are_disjoint_and_complete(engine: Engine, seed: int) -> None:
    dice = random.Random(seed)
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    chosen = {
        reason: sorted(dice.sample([*PEOPLE, *(f"oz{n:026d}" for n in range(30))], k=20))
        for reason in ("suppressed", "unsubscribed", "capped")
    }

    assert planned(engine, broadcast_id, *(removal(*one) for one in chosen.items()))

    found = lists(engine, broadcast_id)
    assert found.pop(ASKED) == PEOPLE
    assert sorted(one for names in found.values() for one in names) == PEOPLE
    assert set(found[LEFT]) == set(PEOPLE) - {one for names in chosen.values() for one in names}
    assert findings(engine) == set()


def test_list_from_which_nobody_is_removed_is_referenced_and_not_copied(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    assert planned(engine, broadcast_id, removal("suppressed", ["oZ" + "9" * 26]))
    assert set(lists(engine, broadcast_id)) == {ASKED}
    assert {batch.list for batch in ledger.batches(engine, broadcast_id)} == {ASKED}
    assert findings(engine) == set()


def test_broadcast_of_which_nobody_is_left_fails_with_everybody_skipped(
    engine: Engine,
) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    assert not planned(engine, broadcast_id, removal("suppressed", ledger.openids(20)))
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.audience["suppressed"], told.audience["planned"]) == (
        BroadcastState.FAILED,
        20,
        0,
    )
    assert sum(told.recipients[name] or 0 for name in SETS) == 0
    assert as_json(told)["reason"] == "nobody_left"
    assert findings(engine) == set()


def test_single_person_who_is_left_is_cancelled_as_too_few(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    assert not planned(engine, broadcast_id, removal("excluded", ledger.openids(20)[:19]))
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.recipients["cancelled"]) == (BroadcastState.FAILED, 1)
    assert as_json(told)["reason"] == "too_few"
    [batch] = told.batch_list
    assert (batch.state, batch.reason) == (BatchState.CANCELLED, Reason.TOO_FEW)
    assert members(engine, broadcast_id, "cancelled") == ledger.openids(20)[19:]
    assert Driver(engine).next().kind.value == "rest"
    assert findings(engine) == set()


class KilledError(Exception):
    """The worker is gone."""


@pytest.mark.parametrize("after", range(5))
def test_planner_that_is_killed_at_any_moment_shows_nothing_and_another_begins_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    out = PEOPLE[10:40]
    writes = iter(range(after))

    def dies(engine: Engine, work: Any) -> Any:
        if next(writes, None) is None:
            raise KilledError
        return transaction.write(engine, work)

    with monkeypatch.context() as dying:
        dying.setattr(subtract, "write", dies)
        with pytest.raises(KilledError):
            planned(engine, broadcast_id, removal("suppressed", out))
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.audience["planned"], told.audience["suppressed"]) == (60, 0)
    assert members(engine, broadcast_id, "waiting") == PEOPLE
    assert findings(engine) == set()

    assert planned(engine, broadcast_id, removal("suppressed", out))
    assert members(engine, broadcast_id, "waiting") == [*PEOPLE[:10], *PEOPLE[40:]]
    assert lists(engine, broadcast_id)["suppressed"] == out
    assert findings(engine) == set()


@pytest.mark.parametrize("then", ["another counts", "nobody is left out", "it is cancelled"])
def test_lists_of_a_planner_that_was_killed_are_removed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    out = removal("suppressed", PEOPLE[10:40])
    with monkeypatch.context() as dying:
        dying.setattr(subtract, "_publish_lists", killed)
        with pytest.raises(KilledError):
            planned(engine, broadcast_id, out)
    assert sweeps.forget_uploads(engine) == 0, "another planner may be at it"

    counts = {ASKED: PEOPLE}
    if then == "another counts":
        counts |= {LEFT: PEOPLE[:10] + PEOPLE[40:], "suppressed": PEOPLE[10:40]}
        with monkeypatch.context() as dying:
            dying.setattr(subtract, "clear_unused_lists", killed)
            with pytest.raises(KilledError):
                planned(engine, broadcast_id, removal("suppressed", PEOPLE[10:40]))
    if then == "it is cancelled":
        operator.cancel(engine, broadcast_id, who="tests")
    else:
        assert planned(engine, broadcast_id)
    while sweeps.forget_uploads(engine):
        pass

    assert lists(engine, broadcast_id) == counts
    assert findings(engine) == set()


def killed(*_: Any, **__: Any) -> None:
    raise KilledError


def test_of_planners_that_leave_out_different_people_at_once_one_counts(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    together = threading.Barrier(3)

    def race(n: int) -> bool:
        together.wait()
        out = removal("suppressed", PEOPLE[n::3])
        return subtract.subtract(engine, row, ledger.account(), removals=[out])

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(race, range(3))) == [True] * 3
    ledger.planned(engine, broadcast_id)
    found = lists(engine, broadcast_id)
    assert found["suppressed"] in [PEOPLE[n::3] for n in range(3)]
    assert sorted(found["suppressed"] + found[LEFT]) == PEOPLE
    assert members(engine, broadcast_id, "waiting") == found[LEFT]
    assert findings(engine) == set()


def test_batches_of_a_planner_that_left_nobody_out_do_not_mix_with_those_of_another(
    engine: Engine,
) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    old = plans.cuts_of(engine, row)
    plans.add_batches(engine, row, ledger.account(), cuts=old[:3])

    assert subtract.subtract(
        engine, row, ledger.account(), removals=[removal("capped", PEOPLE[:9])]
    )

    assert not plans.add_batches(engine, row, ledger.account(), cuts=old)
    assert plans.open_for_calls(engine, row, ledger.account(), cuts=old, quota=None) is None
    ledger.planned(engine, broadcast_id)
    assert members(engine, broadcast_id, "waiting") == PEOPLE[9:]
    assert findings(engine) == set()


def test_cancel_while_people_are_left_out_cancels_everybody(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None

    def pieces() -> Iterator[bytes]:
        yield ledger.packed(PEOPLE[:10])
        operator.cancel(engine, broadcast_id, who="tests")
        yield ledger.packed(PEOPLE[10:20])

    out = Removal(reason="suppressed", pieces=pieces())
    assert not subtract.subtract(engine, row, ledger.account(), removals=[out])
    assert members(engine, broadcast_id, "cancelled") == PEOPLE
    assert set(lists(engine, broadcast_id)) == {ASKED}
    assert findings(engine) == set()


def test_what_was_left_out_once_is_not_left_out_again(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=60), size=60, batches=6)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    for names in (PEOPLE[:5], PEOPLE[5:10]):
        assert subtract.subtract(
            engine, row, ledger.account(), removals=[removal("suppressed", names)]
        )
    with engine.connect() as connection:
        assert connection.scalar(select(BroadcastRow.suppressed)) == 5
    assert lists(engine, broadcast_id)["suppressed"] == PEOPLE[:5]
