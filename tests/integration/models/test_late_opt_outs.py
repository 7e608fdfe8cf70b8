"""Who asks out or leaves after the plan is taken out of what was not called, at the next look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, update

from broadcast.rules.states import BatchState
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.followers import followers
from models.ledger.lists import suppressions
from models.ledger.lists.suppressions import OptOutMessage
from models.ledger.plan import late_opt_outs
from models.ledger.rows.transaction import read
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.test_take_out import PEOPLE, adds_up, members
from tests.kit import follows, ledger
from tests.kit.ledger import Driver, said

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
WORD = SuppressionSource(kind=SuppressionKind.KEYWORD, who="退订")


def planned(engine: Engine, **changes: Any) -> str:
    """Plan a broadcast to forty, in batches of ten, as the worker does; return its id."""
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40, batches=4)
    if changes:
        change(engine, broadcast_id, **changes)
    late_opt_outs.begin_opt_outs(engine, broadcast_id)
    ledger.planned(engine, broadcast_id)
    return broadcast_id


def change(engine: Engine, broadcast_id: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(BroadcastRow).where(BroadcastRow.id == broadcast_id).values(**values)
        )


def leave(engine: Engine, people: Sequence[str], *, before: timedelta = timedelta()) -> None:
    with read(engine) as connection:
        moment = now(connection) - before
    for one in people:
        follows.left(engine, "default", one, at=moment)


def resumed(engine: Engine, broadcast_id: str) -> str:
    """Pause and resume; return for what it is to be looked at."""
    operator.pause(engine, broadcast_id, who="tests")
    operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    wanted = late_opt_outs.due_opt_outs(engine, broadcast_id)
    assert wanted is not None
    return wanted


@pytest.mark.every_database
def test_after_a_resume_who_asked_out_or_left_is_in_no_batch_that_was_not_called(
    engine: Engine,
) -> None:
    broadcast_id = planned(engine)
    Driver(engine).call(said(0, msg_id=1))
    # One of the batch that was called too: it never changes.
    leave(engine, [PEOPLE[2], *PEOPLE[20:29], PEOPLE[33]])
    suppressions.suppress(engine, [PEOPLE[1], PEOPLE[12]], WORD)
    wanted = resumed(engine, broadcast_id)

    assert late_opt_outs.remove(engine, broadcast_id, wanted) == 1 + 9 + 1

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.audience["suppressed"], told.audience["unsubscribed"]) == (1, 10)
    assert members(engine, broadcast_id, "accepted") == PEOPLE[:10]
    assert members(engine, broadcast_id, "waiting") == [
        *PEOPLE[10:12],
        *PEOPLE[13:20],
        *PEOPLE[29:33],
        *PEOPLE[34:],
    ]
    # The only one left of the third batch joined another.
    rows = ledger.batches(engine, broadcast_id)
    assert [row.size for row in rows if row.state is BatchState.PLANNED] == [10, 9]
    assert late_opt_outs.due_opt_outs(engine, broadcast_id) is None
    adds_up(engine, broadcast_id)


def test_nothing_is_looked_at_before_anybody_can_have_come_or_gone(engine: Engine) -> None:
    broadcast_id = planned(engine)

    assert late_opt_outs.due_opt_outs(engine, broadcast_id) is None
    change(engine, broadcast_id, fresh_for="2026-01-01/0.0.0/0.0.0")
    wanted = late_opt_outs.due_opt_outs(engine, broadcast_id)
    assert wanted is not None
    assert late_opt_outs.remove(engine, broadcast_id, wanted) == 0
    assert late_opt_outs.due_opt_outs(engine, broadcast_id) is None


def test_who_is_suppressed_stays_where_that_was_said(engine: Engine) -> None:
    broadcast_id = planned(engine, selection='{"ignore_suppression":true}')
    suppressions.suppress(engine, PEOPLE[:5], WORD)
    leave(engine, PEOPLE[5:7])

    assert late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id)) == 2

    assert members(engine, broadcast_id, "waiting") == [*PEOPLE[:5], *PEOPLE[7:]]


def test_a_broadcast_whose_rest_all_left_ends(engine: Engine) -> None:
    broadcast_id = planned(engine)
    Driver(engine).call(said(0, msg_id=1))
    leave(engine, PEOPLE[10:])

    assert late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id)) == 30

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.audience["unsubscribed"]) == ("completed", 30)
    adds_up(engine, broadcast_id)


def test_batches_that_lie_out_of_order_are_looked_at_whole(engine: Engine) -> None:
    """Somebody moved to a batch that comes before theirs, and a second look finds all."""
    broadcast_id = planned(engine)
    leave(engine, PEOPLE[:9])
    late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id))
    suppressions.suppress(engine, [PEOPLE[9], PEOPLE[15], PEOPLE[39]], WORD)

    assert late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id)) == 3

    assert members(engine, broadcast_id, "waiting") == [*PEOPLE[10:15], *PEOPLE[16:39]]
    adds_up(engine, broadcast_id)


@pytest.mark.every_database
def test_nobody_is_missed_whose_batch_another_person_joins_during_the_look(engine: Engine) -> None:
    broadcast_id = planned(engine)
    suppressions.suppress(engine, [PEOPLE[31]], WORD)
    late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id))
    suppressions.suppress(engine, [*PEOPLE[1:30], PEOPLE[39]], WORD)

    assert late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id)) == 30

    assert members(engine, broadcast_id, "waiting") == [PEOPLE[0], PEOPLE[30], *PEOPLE[32:39]]
    adds_up(engine, broadcast_id)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_who_takes_a_lane_over_catches_up_with_whoever_asked_out_meanwhile(
    engine: Engine,
) -> None:
    """Else more ask out during a look than it takes out, and it never ends.

    A second's people, and those of a dozen seconds without a worker, take as many transactions;
    and not more statements for each of them.
    """
    people = ledger.openids(1_200)
    broadcast_id = ledger.published(engine, ledger.body(size=1_200), size=1_200, batches=200)
    late_opt_outs.begin_opt_outs(engine, broadcast_id)
    ledger.planned(engine, broadcast_id)
    heard = Counter[str]()
    for name in ("begin", "before_cursor_execute"):
        event.listen(engine, name, lambda *_, name=name: heard.update([name]))

    def effort(some: list[str]) -> Counter[str]:
        suppressions.suppress(engine, some, WORD)
        wanted = late_opt_outs.due_opt_outs(engine, broadcast_id)
        assert wanted is not None
        heard.clear()
        assert late_opt_outs.remove(engine, broadcast_id, wanted) == len(some)
        return heard.copy()

    second, dozen = effort(people[::48]), effort(people[1::4])

    assert dozen["begin"] == second["begin"]
    assert dozen["before_cursor_execute"] / 300 < second["before_cursor_execute"] / 25


@pytest.mark.every_database
@pytest.mark.parametrize("few", [late_opt_outs.FEW, 1])
def test_whoever_is_suppressed_after_the_plan_is_looked_for_before_the_next_call(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(late_opt_outs, "FEW", few)
    broadcast_id = planned(engine)
    Driver(engine).call(said(0, msg_id=1))
    suppressions.suppress(engine, [PEOPLE[1], *PEOPLE[10:15]], WORD)
    suppressions.suppress(engine, [PEOPLE[20], PEOPLE[39]], WORD, account="default")
    suppressions.lift(engine, [PEOPLE[20]], who="tests", account="default")

    wanted = late_opt_outs.due_opt_outs(engine, broadcast_id)
    assert wanted is not None
    assert late_opt_outs.remove(engine, broadcast_id, wanted) == 6

    assert late_opt_outs.due_opt_outs(engine, broadcast_id) is None
    assert members(engine, broadcast_id, "waiting") == PEOPLE[15:39]
    adds_up(engine, broadcast_id)
    # Another one, by a pushed word that came late.
    wish = OptOutMessage(openid=PEOPLE[30], at=EARLIER, received_at=EARLIER, out=True)
    suppressions.apply_opt_outs(engine, "default", [wish])
    wanted = late_opt_outs.due_opt_outs(engine, broadcast_id)
    assert wanted is not None
    assert late_opt_outs.remove(engine, broadcast_id, wanted) == 1


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, PEOPLE[5:7]),
        ({"selection": '{"only_current":true}'}, PEOPLE[:7]),
        ({"audience_kind": "followers", "audience_spec": "{}"}, PEOPLE[:7]),
    ],
)
def test_of_a_list_who_was_known_to_have_left_before_it_was_given_stays(
    engine: Engine, changes: dict[str, str], gone: list[str]
) -> None:
    """Our list of followers may be old; with ``--only-current`` it decides all the same."""
    leave(engine, PEOPLE[:5], before=timedelta(hours=1))
    broadcast_id = planned(engine, **changes)
    leave(engine, PEOPLE[5:7])

    late_opt_outs.remove(engine, broadcast_id, resumed(engine, broadcast_id))

    assert members(engine, broadcast_id, "waiting") == [one for one in PEOPLE if one not in gone]


def test_a_look_that_is_broken_off_is_made_again(engine: Engine) -> None:
    broadcast_id = planned(engine)
    suppressions.suppress(engine, PEOPLE[:3], WORD)
    wanted = resumed(engine, broadcast_id)
    answers = iter([True, True, False])

    taken = late_opt_outs.remove(engine, broadcast_id, wanted, goes_on=lambda: next(answers))

    assert taken is None
    assert next(answers, None) is None, "it stopped at the first no"
    assert late_opt_outs.due_opt_outs(engine, broadcast_id) == wanted
    assert late_opt_outs.remove(engine, broadcast_id, wanted) == 3


@pytest.mark.every_database
@pytest.mark.parametrize("by_push", [True, False])
def test_a_quick_look_finds_that_somebody_may_have_left_since(
    engine: Engine, *, by_push: bool
) -> None:
    ledger.published(engine, ledger.body())
    with read(engine) as connection:
        moment = now(connection)
    leave(engine, PEOPLE[:1], before=timedelta(hours=1))
    assert not followers.any_left(engine, "default", since=moment)

    if by_push:
        leave(engine, PEOPLE[1:2])
    else:
        follows.listed(engine, "default", PEOPLE)

    assert followers.any_left(engine, "default", since=moment)
    assert not followers.any_left(engine, "other", since=moment)
