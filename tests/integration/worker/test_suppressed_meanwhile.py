"""Who is suppressed while WeChat is slow before a call gets nothing by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.drafts import Look
from broadcast.rules.plan.audience import Audience, Everyone
from broadcast.rules.states import Reason
from models.ledger.lists import suppressions
from models.ledger.plan import late_opt_outs
from models.ledger.steer import retries
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models import test_sendall
from tests.integration.models.test_late_opt_outs import planned
from tests.integration.models.test_take_out import PEOPLE
from tests.integration.worker import test_draft_watch
from tests.integration.worker.test_audience_watch import TWENTY, WORD, got, refused
from tests.integration.worker.test_slices import WeChat, context
from tests.kit import ledger
from worker.delivery import lane


class SlowWeChat(test_draft_watch.WeChat):
    """Somebody is suppressed while it is asked for the draft, or connected to, the first time."""

    def __init__(self, engine: Engine, *, at: str) -> None:
        super().__init__()
        self._engine, self._at = engine, at

    def draft(self, media_id: str) -> Look:  # type: ignore[override]
        self._pass("draft")
        return super().draft(media_id)

    def warm(self) -> None:
        self._pass("connection")

    def _pass(self, what: str) -> None:
        if what == self._at:
            self._at = ""
            suppressions.suppress(self._engine, TWENTY[:1], WORD, account="default")


def of_draft(engine: Engine, audience: Audience | None = None) -> str:
    """Plan a broadcast of a draft, to twenty in two batches if not said, as the worker does."""
    said = ledger.of_draft(ledger.body(), test_draft_watch.BEFORE)
    if audience is None:
        broadcast_id = ledger.published(engine, said)
    else:
        said = replace(said, audience=audience)
        broadcast_id = submits.begin(engine, said, who="tests")
        submits.publish(
            engine,
            broadcast_id,
            said,
            figures=test_sendall.NO_LIST,
            terms=ledger.terms(),
            quota=ledger.PLENTY,
        )
    late_opt_outs.begin_opt_outs(engine, broadcast_id)
    ledger.planned(engine, broadcast_id)
    return broadcast_id


@pytest.mark.every_database
@pytest.mark.parametrize("at", ["draft", "connection"])
def test_who_is_suppressed_while_wechat_is_slow_before_a_call_gets_nothing(
    engine: Engine, at: str
) -> None:
    broadcast_id = of_draft(engine)
    ledger.pass_time(engine, timedelta(days=1))
    wechat = SlowWeChat(engine, at=at)

    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == TWENTY[1:]
    assert broadcast_reports.report(engine, broadcast_id).audience["suppressed"] == 1


@pytest.mark.parametrize("at", ["draft", "connection"])
def test_a_send_to_everybody_is_held_where_somebody_is_suppressed_while_wechat_is_slow(
    engine: Engine, at: str
) -> None:
    broadcast_id = of_draft(engine, Everyone())
    ledger.pass_time(engine, timedelta(days=1))
    wechat = SlowWeChat(engine, at=at)

    lane.drive(context(engine, wechat), seconds=5)

    assert not wechat.keys
    report = broadcast_reports.report(engine, broadcast_id)
    assert [gate.reason for gate in report.gates] == [Reason.SUPPRESSION_LIST]


def test_a_retried_batch_is_left_where_somebody_is_suppressed_while_wechat_is_slow(
    engine: Engine,
) -> None:
    broadcast_id = refused(engine)
    retries.retry(engine, broadcast_id, who="tests")
    wechat = SlowWeChat(engine, at="connection")

    lane.drive(context(engine, wechat), seconds=5)

    assert got(wechat) == TWENTY[10:]
    assert ledger.batch(engine, broadcast_id).reason is Reason.SUPPRESSED_SINCE


def test_taking_people_out_of_other_batches_costs_the_next_call_no_slot_of_its_pace(
    engine: Engine,
) -> None:
    planned(engine)
    suppressions.suppress(engine, [PEOPLE[25]], WORD, account="default")
    wechat, slots = WeChat(), Slots()

    lane.drive(replace(context(engine, wechat), pace=slots), seconds=5)

    assert got(wechat) == [one for one in PEOPLE if one != PEOPLE[25]]
    assert slots.taken == len(wechat.keys) == 4


class Slots:
    """A slot for everybody, counted."""

    def __init__(self) -> None:
        self.taken = 0

    def take_slot(self) -> float:
        self.taken += 1
        return 0.0
