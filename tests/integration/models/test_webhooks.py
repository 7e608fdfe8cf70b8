"""Webhooks in the ledger: stored with what they tell, told again when it changes, never lost."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as hook

from broadcast.errors import InputError, UnknownIdError
from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import proof
from broadcast.rules.states import Reason, WebhookState
from broadcast.rules.webhooks import PAUSES
from broadcast.views import objects
from broadcast.views.objects import Webhook
from models.every_table import WebhookRow
from models.ledger.boxes import webhooks as reading
from models.ledger.boxes.webhooks import ReservedEvent
from models.ledger.lane import record_outcomes
from models.ledger.lane.next_work import Kind
from models.ledger.outcomes import recorded_ends
from models.ledger.rows import transaction
from models.ledger.rows.figures import Figures
from models.ledger.rows.transaction import every_row, selected
from models.ledger.steer import operator, retries
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import close
from tests.kit import ledger
from tests.kit.ledger import Driver, said
from worker.delivery import webhooks as delivery_webhooks

URL = "https://hooks.example.com/broadcasts?token=abc"
PUT_OFF = timedelta(seconds=30)
DOWN = Message("webhook.problem.status", status=500)
WAITS = Waits()


def broadcast(engine: Engine, *, batches: int = 1, url: str | None = URL) -> str:
    """Return a broadcast that a webhook tells of; its batches wait for a driver."""
    said_ = ledger.body(size=20)
    broadcast_id = ledger.upload(engine, said_)
    submits.publish(
        engine,
        broadcast_id,
        said_,
        figures=ledger.figures(size=20, batches=batches),
        terms=replace(ledger.terms(batches=batches), notify_url=url),
        quota=ledger.PLENTY,
    )
    ledger.planned(engine, broadcast_id)
    return broadcast_id


def told(engine: Engine, broadcast_id: str) -> list[str]:
    """Return what was told of a broadcast, oldest first."""
    return [one.kind for one in reversed(reading.of_broadcast(engine, broadcast_id))]


def bodies(engine: Engine) -> list[Any]:
    """Return what is posted of each event, oldest first."""
    with engine.connect() as connection:
        query = selected(ReservedEvent, WebhookRow).order_by(WebhookRow.id)
        events = every_row(connection, query, ReservedEvent)
    return [json.loads(delivery_webhooks.stored_body(engine, one)) for one in events]


def take(engine: Engine, *busy: str) -> ReservedEvent:
    taken = reading.reserve_next_event(engine, busy=busy, put_off=PUT_OFF)
    assert taken is not None
    return taken


def only(engine: Engine) -> Webhook:
    (one,) = reading.newest(engine, states=list(WebhookState))
    return one


def test_an_end_is_told_once_with_sums_and_no_openid(engine: Engine) -> None:
    broadcast_id = broadcast(engine, batches=2)
    driver = Driver(engine)
    driver.call(said(0, msg_id=71))
    assert told(engine, broadcast_id) == []

    driver.call(said(0, msg_id=72))

    assert told(engine, broadcast_id) == ["broadcast.completed"]
    (body,) = bodies(engine)
    report = broadcast_reports.report(engine, broadcast_id)
    assert (body["type"], body["version"]) == ("broadcast.completed", report.version)
    assert only(engine).id == f"{broadcast_id}-{report.version}"
    assert body["data"]["id"] == broadcast_id
    assert body["data"]["recipients"]["accepted"] == 20
    assert "batch_list" not in body["data"]
    assert not any(openid in json.dumps(body) for openid in ledger.openids(20))


def test_whom_nobody_named_nobody_tells(engine: Engine) -> None:
    broadcast_id = broadcast(engine, url=None)
    Driver(engine).call(said(0, msg_id=71))

    assert told(engine, broadcast_id) == []
    assert not reading.any_due(engine)


def test_the_accounts_receiver_is_told_where_the_request_names_none(engine: Engine) -> None:
    account = ledger.account().model_copy(update={"notify_url": "https://account.example.com/"})
    for url, expected in ((None, account.notify_url), (URL, URL)):
        said_ = ledger.body(size=20, owner=account)
        broadcast_id = ledger.upload(engine, said_)
        submits.publish(
            engine,
            broadcast_id,
            said_,
            figures=ledger.figures(size=20, batches=1),
            terms=replace(ledger.terms(batches=1), notify_url=url),
            quota=ledger.PLENTY,
        )
        operator.cancel(engine, broadcast_id, who="tests")
        (one,) = reading.of_broadcast(engine, broadcast_id)
        assert (one.kind, one.url) == ("broadcast.cancelled", expected)


def test_a_late_refusal_is_told_again_even_if_the_result_stays(engine: Engine) -> None:
    broadcast_id = broadcast(engine, batches=3)
    driver = Driver(engine)
    for msg_id in (71, 72, 73):
        driver.call(said(0, msg_id=msg_id))

    for msg_id in (71, 72, 71, 73):
        recorded_ends.record_finish_event(engine, "default", refusal(msg_id))

    expected = ["completed", "partial", "partial", "failed"]
    assert told(engine, broadcast_id) == [f"broadcast.{word}" for word in expected]
    assert [body["data"]["recipients"]["refused"] for body in bodies(engine)] == [0, 7, 14, 20]
    versions = [body["version"] for body in bodies(engine)]
    assert versions == sorted(set(versions))


def refuse_all(driver: Driver) -> None:
    """Refuse the batches, and the halves of them."""
    while driver.next().kind is Kind.CALL:
        driver.call(said(43004))


def refusal(msg_id: int) -> FinishEvent:
    return FinishEvent(msg_id=msg_id, status="err(20001)", counts=Counts(sent=0))


def test_wechats_counts_alone_are_not_told_again(engine: Engine) -> None:
    broadcast_id = broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))
    counts = Counts(total=20, eligible=19, sent=19, errors=0)
    recorded_ends.record_finish_event(
        engine, "default", FinishEvent(msg_id=71, status="send success", counts=counts)
    )

    assert broadcast_reports.report(engine, broadcast_id).batches["finished"] == 1
    assert told(engine, broadcast_id) == ["broadcast.completed"]


def test_who_comes_to_rest_again_after_a_retry_is_told_again(engine: Engine) -> None:
    broadcast_id = broadcast(engine)
    driver = Driver(engine)
    refuse_all(driver)
    before = told(engine, broadcast_id)
    retries.retry(engine, broadcast_id, who="tests")
    refuse_all(driver)

    assert before
    assert told(engine, broadcast_id) == before * 2


def test_a_hold_before_the_end_is_reported_each_time_and_an_operators_pause_is_not(
    engine: Engine,
) -> None:
    said_ = ledger.body(size=20)
    broadcast_id = ledger.upload(engine, said_)
    submits.publish(
        engine,
        broadcast_id,
        said_,
        figures=ledger.figures(size=20, batches=2),
        quota=None,
        terms=replace(ledger.terms(batches=2), notify_url=URL),
    )
    nothing_left = proof.Quota(daily_limit=100, used=100, remain=0)
    ledger.planned(engine, broadcast_id, quota=nothing_left)

    assert told(engine, broadcast_id) == ["broadcast.held"]
    assert bodies(engine)[0]["data"]["blockers"][0]["cause"] == "does_not_fit"
    operator.pause(engine, broadcast_id, who="tests")
    assert len(told(engine, broadcast_id)) == 1
    operator.cancel(engine, broadcast_id, who="tests")
    assert told(engine, broadcast_id) == ["broadcast.held", "broadcast.cancelled"]


def test_the_event_is_stored_with_the_change_or_not_at_all(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast_id = broadcast(engine)
    claim = Driver(engine).claim()
    notify = reading.notify

    def die(*given: Any, **more: Any) -> None:
        notify(*given, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "notify", die)
    with pytest.raises(KeyboardInterrupt):
        record_outcomes.record(engine, claim.attempt_id, said(0, msg_id=71))

    assert broadcast_reports.report(engine, broadcast_id).state.value == "sending"
    assert told(engine, broadcast_id) == []
    monkeypatch.undo()
    record_outcomes.record(engine, claim.attempt_id, said(0, msg_id=71))
    assert told(engine, broadcast_id) == ["broadcast.completed"]


def bare(engine: Engine, broadcast_id: str) -> dict[str, str]:
    """Return what an event says of a broadcast without figures."""
    report = broadcast_reports.report(engine, broadcast_id)
    state = report.state.value
    return {"id": broadcast_id, "account": "default", "key": report.key, "state": state}


def break_counts(engine: Engine) -> None:
    """Have the database refuse to count a broadcast's recipients."""

    @hook.listens_for(engine, "before_cursor_execute", retval=True)
    def _(_c: Any, _d: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        if "sum(bc_batches.size)" in statement:
            statement = statement.replace("bc_batches.size", "bc_batches.no_column")
        return statement, parameters


def test_a_figure_that_cannot_be_counted_loses_neither_the_reply_nor_the_event(
    engine: Engine,
) -> None:
    broadcast_id = broadcast(engine)
    claim = Driver(engine).claim()
    broken = engine.execution_options()
    break_counts(broken)

    record_outcomes.record(broken, claim.attempt_id, said(0, msg_id=71))

    assert broadcast_reports.report(engine, broadcast_id).state.value == "completed"
    assert told(engine, broadcast_id) == ["broadcast.completed"]
    assert bodies(engine)[0]["data"] == bare(engine, broadcast_id)


def test_a_bug_in_the_report_touches_no_reply_and_the_event_has_its_state(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broadcast_id = broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))

    def broken(_: Figures) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(broadcast_reports, "of_figures", broken)
    (first,) = bodies(engine)
    monkeypatch.undo()

    assert first["data"] == bare(engine, broadcast_id)
    assert "its figures cannot be shown" in caplog.text
    # What was said once under this id is said again.
    assert bodies(engine) == [first]


def as_of_now(engine: Engine, broadcast_id: str) -> Any:
    """Return a broadcast as a list has it now."""
    return objects.object_of(broadcast_reports.report(engine, broadcast_id, whole=False))


def test_an_event_says_what_was_so_then_however_late_its_body_is_made(engine: Engine) -> None:
    broadcast_id = broadcast(engine, batches=2)
    driver = Driver(engine)
    driver.call(said(0, msg_id=71))
    refuse_all(driver)
    then = as_of_now(engine, broadcast_id)
    retries.retry(engine, broadcast_id, who="tests")
    held = hold(engine, broadcast_id)
    operator.cancel(engine, broadcast_id, who="tests")

    assert [held["state"], held["blockers"][0]["cause"]] == ["held", "held"]
    assert told(engine, broadcast_id) == [
        "broadcast.partial",
        "broadcast.held",
        "broadcast.cancelled",
    ]
    now = as_of_now(engine, broadcast_id)
    assert [one["data"] for one in bodies(engine)] == [then, held, now]


def test_each_reason_of_a_hold_is_shown_and_reported_and_a_resume_ends_all(engine: Engine) -> None:
    broadcast_id = broadcast(engine)

    for reason in (Reason.REQUEST_NOT_MADE, Reason.MISSED_TIME, Reason.REQUEST_NOT_MADE):
        held = hold(engine, broadcast_id, reason)

    assert [one["cause"] for one in held["blockers"]] == ["held", "missed_time"]
    assert told(engine, broadcast_id) == ["broadcast.held"] * 2
    assert [len(one["data"]["blockers"]) for one in bodies(engine)] == [1, 2]
    operator.resume(engine, broadcast_id, who="tests")
    assert as_of_now(engine, broadcast_id)["blockers"] == []
    Driver(engine).call(said(0, msg_id=71))
    assert told(engine, broadcast_id)[2:] == ["broadcast.completed"]


def hold(engine: Engine, broadcast_id: str, reason: Reason = Reason.REQUEST_NOT_MADE) -> Any:
    """Hold a broadcast; return it as a list has it then."""
    close(engine, GateKind.HOLD, broadcast_id=broadcast_id, reason=reason)
    return as_of_now(engine, broadcast_id)


def test_of_two_workers_that_make_a_body_the_first_one_counts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))
    slow = take(engine)
    ledger.pass_time(engine, PUT_OFF)
    quick = take(engine)
    stored = delivery_webhooks.stored_body(engine, quick)

    # One of another release may word it otherwise.
    monkeypatch.setattr(objects, "event_body", lambda *_, **__: "{}")
    late = delivery_webhooks.stored_body(engine, slow)

    ledger.pass_time(engine, PUT_OFF)
    assert late == stored
    assert take(engine).body == stored


def test_an_event_is_taken_by_one_and_due_again_if_its_worker_dies(engine: Engine) -> None:
    broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))

    first = take(engine)
    assert reading.reserve_next_event(engine, busy=(), put_off=PUT_OFF) is None
    ledger.pass_time(engine, PUT_OFF)
    second = take(engine)

    assert (first.event_id, first.figures) == (second.event_id, second.figures)
    # Nobody had come to make its body.
    assert (first.body, json.loads(delivery_webhooks.stored_body(engine, second))["version"]) == (
        None,
        second.version,
    )
    assert (first.tries, second.tries) == (1, 2)
    # The first was only slow: what it heard late changes nothing any more.
    reading.mark_failed(engine, first, DOWN, http_status=500, waits=WAITS)
    assert only(engine).problem is None
    reading.mark_delivered(engine, second, 204)
    reading.mark_failed(engine, second, DOWN, http_status=500, waits=WAITS)
    assert only(engine).state is WebhookState.DELIVERED
    assert not reading.any_due(engine)


def test_an_event_of_a_receiver_that_is_busy_is_left(engine: Engine) -> None:
    broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=71))
    broadcast(engine, url="https://other.example.com/")
    driver.call(said(0, msg_id=72))

    assert take(engine, "https://hooks.example.com").url == "https://other.example.com/"
    assert (
        reading.reserve_next_event(engine, busy={"https://hooks.example.com"}, put_off=PUT_OFF)
        is None
    )
    assert take(engine).url == URL


def test_an_event_is_given_up_after_a_day_and_tried_again_when_a_person_says_so(
    engine: Engine,
) -> None:
    broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))
    tries = 0
    while True:
        taken = take(engine)
        tries += 1
        if (
            reading.mark_failed(engine, taken, DOWN, http_status=500, waits=WAITS)
            is WebhookState.GIVEN_UP
        ):
            break
        one = only(engine)
        assert one.due_at is not None
        ledger.pass_time(engine, PAUSES[min(tries, len(PAUSES)) - 1])

    one = only(engine)
    assert (one.state, one.tries, one.due_at, one.problem) == (
        WebhookState.GIVEN_UP,
        tries,
        None,
        DOWN,
    )
    assert reading.count(engine, [WebhookState.GIVEN_UP]) == 1
    event_id = one.id

    reading.retry_events(engine, [(one.broadcast_id, one.version)])

    assert reading.count(engine, [WebhookState.GIVEN_UP]) == 0
    again = take(engine)
    assert (again.event_id, again.tries) == (event_id, 1)
    reading.mark_delivered(engine, again, 200)
    assert only(engine).closed_at is not None


def test_a_retry_amid_a_delivery_has_the_event_delivered_once_more(engine: Engine) -> None:
    broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))
    before = take(engine)
    ledger.pass_time(engine, timedelta(seconds=1))
    reading.retry_events(engine, [(before.broadcast_id, before.version)])

    reading.mark_delivered(engine, before, 204)
    assert only(engine).state is WebhookState.WAITING
    again = take(engine)
    # Of the same number, but not the same try.
    reading.mark_failed(engine, before, DOWN, http_status=410, waits=WAITS, is_final=True)
    reading.mark_delivered(engine, again, 200)

    one = only(engine)
    assert (one.state, one.tries, one.http_status) == (WebhookState.DELIVERED, 1, 200)


def test_a_receiver_that_wants_no_more_is_left_alone_at_once(engine: Engine) -> None:
    broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))
    state = reading.mark_failed(
        engine, take(engine), DOWN, http_status=410, waits=WAITS, is_final=True
    )

    assert state is WebhookState.GIVEN_UP
    assert only(engine).http_status == 410


def test_what_was_closed_long_ago_is_forgotten_and_not_told_again(engine: Engine) -> None:
    broadcast_id = broadcast(engine)
    Driver(engine).call(said(0, msg_id=71))
    reading.mark_delivered(engine, take(engine), 204)
    assert reading.forget(engine) == 0
    ledger.pass_time(engine, transaction.KEPT_FOR)
    assert reading.forget(engine) == 1

    counts = Counts(total=20, eligible=19, sent=19, errors=0)
    recorded_ends.record_finish_event(
        engine, "default", FinishEvent(msg_id=71, status="send success", counts=counts)
    )
    assert told(engine, broadcast_id) == []


@pytest.mark.every_database
def test_an_event_is_found_by_its_id_or_a_part(engine: Engine) -> None:
    broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=71))
    broadcast(engine)
    driver.call(said(0, msg_id=72))
    first, second = reading.newest(engine, states=list(WebhookState))

    assert reading.one_webhook(engine, first.id) == first
    assert reading.one_webhook(engine, second.id[9:].upper()) == second
    assert reading.one_webhook(engine, second.broadcast_id[-6:]) == second
    with pytest.raises(InputError, match=r"error\.webhook\.several"):
        reading.one_webhook(engine, first.id[:6])
    with pytest.raises(UnknownIdError, match=r"error\.webhook\.unknown_near"):
        reading.one_webhook(engine, f"{first.id}9")
    with pytest.raises(UnknownIdError, match=r"error\.webhook\.unknown "):
        reading.one_webhook(engine, "%")
