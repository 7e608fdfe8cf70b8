"""The OpenIDs of each set: everybody in exactly one, in the order of the batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from broadcast.errors import InputError, UnknownIdError
from broadcast.rules.plan import submission
from broadcast.rules.reports import SETS
from broadcast.rules.states import BatchState, Reason
from models.ledger.lists import recipients
from models.ledger.lists.recipients import Portion
from models.ledger.plan import plans
from models.ledger.steer import operator
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import lost_then
from tests.kit import ledger
from tests.kit.ledger import Driver, said
from tests.kit.openids import split

pytestmark = pytest.mark.every_database

WHO = "tests"


def members(engine: Engine, broadcast_id: str, name: str) -> list[str]:
    portions = recipients.portions(engine, broadcast_id, name)
    return [one for portion in portions for one in split(portion.openids)]


def only(engine: Engine, broadcast_id: str, name: str) -> Portion:
    [portion] = recipients.portions(engine, broadcast_id, name)
    return portion


def everybody(engine: Engine, broadcast_id: str) -> list[str]:
    return sorted(one for name in SETS for one in members(engine, broadcast_id, name))


def in_all_sets(engine: Engine) -> str:
    """Accepted, in doubt, split (one half accepted, one refused), cancelled."""
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    lost_then(driver, said(40130))
    for fact in (said(40003), said(0, msg_id=3)):
        driver.call(fact)
    return broadcast_id


def test_each_set_has_its_own_and_together_they_are_the_audience(engine: Engine) -> None:
    broadcast_id = in_all_sets(engine)
    operator.cancel(engine, broadcast_id, who=WHO)

    told = broadcast_reports.report(engine, broadcast_id).recipients
    for name in SETS:
        assert len(members(engine, broadcast_id, name)) == told[name], name

    assert everybody(engine, broadcast_id) == sorted(ledger.openids(40))
    assert members(engine, broadcast_id, "accepted")[:10] == ledger.openids(40)[:10]
    doubt = only(engine, broadcast_id, "in_doubt")
    assert (doubt.n, doubt.state, doubt.reason, doubt.errcode, doubt.msg_id) == (
        2,
        BatchState.IN_DOUBT,
        Reason.REFUSED_AFTER_UNKNOWN,
        40130,
        None,
    )


def test_finished_batches_are_accepted(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(0, msg_id=71))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET state = 'finished'")
    portion = only(engine, broadcast_id, "accepted")
    assert (portion.state, portion.msg_id) == (BatchState.FINISHED, 71)


def cancelled(engine: Engine, broadcast_id: str) -> None:
    operator.cancel(engine, broadcast_id, who=WHO)


def left(engine: Engine, broadcast_id: str) -> None:
    del engine, broadcast_id


@pytest.mark.parametrize(("do", "name"), [(cancelled, "cancelled"), (left, "waiting")])
def test_audience_that_was_never_cut_is_read_from_its_list(
    engine: Engine, do: Callable[[Engine, str], None], name: str
) -> None:
    broadcast_id = ledger.published(engine, ledger.body())
    do(engine, broadcast_id)
    assert members(engine, broadcast_id, name) == ledger.openids(20)
    assert everybody(engine, broadcast_id) == sorted(ledger.openids(20))


@pytest.mark.parametrize(("do", "name"), [(cancelled, "cancelled"), (left, "waiting")])
def test_audience_that_was_cut_in_part_is_whole(
    engine: Engine, do: Callable[[Engine, str], None], name: str
) -> None:
    broadcast_id = ledger.published(engine, ledger.body(), batches=4)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    plans.add_batches(engine, row, ledger.account(), cuts=plans.cuts_of(engine, row)[:2])
    do(engine, broadcast_id)
    assert members(engine, broadcast_id, name) == ledger.openids(20)
    assert everybody(engine, broadcast_id) == sorted(ledger.openids(20))


def test_split_batch_is_told_by_its_halves(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, batches=1)
    Driver(engine).call(said(40003))
    portions = list(recipients.portions(engine, broadcast_id, "waiting"))
    assert [portion.n for portion in portions] == [2, 3]
    assert everybody(engine, broadcast_id) == sorted(ledger.openids(20))


def test_skipped_lines_are_told_with_their_count(engine: Engine) -> None:
    said_body = ledger.body()
    broadcast_id = ledger.upload(engine, said_body)
    figures = ledger.figures(size=20, batches=2, malformed=(1500, [(3, "no id"), (7, "=1+1")]))
    submits.publish(
        engine,
        broadcast_id,
        said_body,
        figures=figures,
        quota=None,
        terms=submission.Terms(who=WHO),
    )
    [one] = recipients.skipped(engine, broadcast_id)
    assert (one.reason, one.count, one.lines) == ("malformed", 1500, [(3, "no id"), (7, "=1+1")])


def test_several_sets_are_read_together_in_the_order_of_the_batches(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(40007))
    operator.cancel(engine, broadcast_id, who=WHO)

    portions = list(recipients.portions(engine, broadcast_id, "refused", "cancelled"))

    numbers = [portion.n for portion in portions]
    assert numbers == sorted(numbers)
    assert {portion.state for portion in portions} == {BatchState.REFUSED, BatchState.CANCELLED}
    each = [members(engine, broadcast_id, name) for name in ("refused", "cancelled")]
    together = [one for portion in portions for one in split(portion.openids)]
    assert sorted(together) == sorted([*each[0], *each[1]])


def test_unknown_set_and_unknown_id_are_told_before_anything_is_read(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    with pytest.raises(InputError) as caught:
        recipients.portions(engine, broadcast_id, "everybody")
    assert caught.value.message_id == "error.recipients.set"
    for ask in (
        lambda one: recipients.portions(engine, one, "accepted"),
        lambda one: recipients.skipped(engine, one),
    ):
        with pytest.raises(UnknownIdError) as unknown:
            ask(broadcast_id + "x")
        assert unknown.value.facts["near"] == broadcast_id
    unseen = ledger.upload(engine, ledger.body())
    with pytest.raises(UnknownIdError):
        recipients.portions(engine, unseen, "waiting")
