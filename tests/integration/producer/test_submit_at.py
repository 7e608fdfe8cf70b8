"""Submits for later: found by their key, refused in the past, woken for at their time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from broadcast.errors import (
    ConflictError,
    InputError,
)
from broadcast.rules.accounts import Account
from broadcast.rules.states import BroadcastState
from models.ledger.steer import sweeps
from models.ledger.views import broadcast_reports
from producer.audience import openid_list
from producer.submit.prepare import prepare
from producer.submit.store import store
from tests.integration.models.still_clock import StillClock
from tests.integration.producer.conftest import QuotaStub, WakerStub, openids, order, send
from tests.integration.producer.test_submit import counts, ledger_now


def test_a_scheduled_broadcast_is_not_woken_for(engine: Engine, account: Account) -> None:
    waker, at = WakerStub(), datetime.now(UTC) + timedelta(hours=2)

    made = send(engine, order(account, scheduled_at=at), openids(5), waker=waker)

    assert waker.woken == []
    assert broadcast_reports.report(engine, made.id).state is BroadcastState.SCHEDULED


def test_a_key_is_found_after_its_time_and_meets_another_body_or_time_as_ever(
    still: tuple[Engine, StillClock], account: Account
) -> None:
    engine, clock = still
    at = clock.now + timedelta(hours=2)
    first = send(engine, order(account, scheduled_at=at), openids(5))
    clock.pass_(timedelta(hours=3))

    again = send(engine, order(account, scheduled_at=at), openids(5))
    for text, other in (("改了", at), ("您好", at - timedelta(minutes=1)), ("您好", None)):
        with pytest.raises(ConflictError, match=first.id):
            send(engine, order(account, text=text, scheduled_at=other), openids(5))
    with pytest.raises(InputError) as caught:
        send(engine, order(account, "k2", scheduled_at=at), openids(5))

    assert (again.id, again.created) == (first.id, False)
    # The machine's own clock is months ahead, and the person is told so.
    assert caught.value.message_id == "error.at.past_fast"
    assert counts(engine) == (1, 1)


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(hours=1)])
def test_a_time_that_is_past_by_the_databases_clock_is_refused_at_the_door(
    engine: Engine, account: Account, ago: timedelta
) -> None:
    quota, at = QuotaStub(), ledger_now(engine) - ago

    with pytest.raises(InputError) as caught:
        send(engine, order(account, scheduled_at=at), openids(5), quota=quota)

    assert caught.value.message_id == "error.at.past"
    assert (quota.asked, counts(engine)) == (0, (0, 0))


def test_a_broadcast_whose_time_passed_before_it_was_published_is_woken_for_at_once(
    engine: Engine, account: Account
) -> None:
    waker, at = WakerStub(), datetime.now(UTC) + timedelta(hours=2)
    with openid_list.read(openids(5)) as audience:
        wanted = order(account, scheduled_at=at)
        prepared = prepare(wanted, audience, engine=engine, quota=QuotaStub())
        passed = replace(prepared.body, scheduled_at=at - timedelta(hours=3))

        made = store(replace(prepared, body=passed), engine=engine, waker=waker)

    assert (made.scheduled, waker.woken) == (False, [made.id])
    assert broadcast_reports.report(engine, made.id).state is BroadcastState.PLANNING


def test_a_scheduled_broadcast_whose_time_has_come_is_woken_for_when_it_is_submitted_again(
    still: tuple[Engine, StillClock], account: Account
) -> None:
    engine, clock = still
    waker, wanted = WakerStub(), order(account, scheduled_at=clock.now + timedelta(hours=2))
    first = send(engine, wanted, openids(5), waker=waker)
    send(engine, wanted, openids(5), waker=waker)
    assert waker.woken == []
    clock.pass_(timedelta(hours=2, seconds=1))
    sweeps.launch_due(engine)

    again = send(engine, wanted, openids(5), waker=waker)

    assert (again.id, waker.woken) == (first.id, [first.id])
