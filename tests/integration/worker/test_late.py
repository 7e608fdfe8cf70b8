"""Wakes that seem too old: one of a kind is taken, so that a clock that is off stops nothing."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from celery.worker import state
from kombu.message import Message

from broadcast import names
from worker import application, celery_parts


@pytest.fixture(autouse=True)
def _nothing_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_parts, "_taken", {})


def wake(task: str, *args: object, age: timedelta, **kwargs: object) -> celery_parts.Request:
    """The message of beat that expired *age* ago, as the worker makes it of what comes."""
    app = application.make()
    app.loader.import_default_modules()
    sent = app.amqp.as_task_v2(
        str(uuid.uuid4()), task, args=args, kwargs=kwargs, expires=datetime.now(UTC) - age
    )
    message = Message(
        body=json.dumps(sent.body),
        headers=sent.headers,
        properties=sent.properties,
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={},
    )
    return celery_parts.Request(message, app=app, task=app.tasks[task])


OLD = timedelta(minutes=30)


def test_of_many_wakes_that_seem_too_old_one_of_a_kind_is_taken() -> None:
    night = [wake(names.SWEEP, age=OLD) for _ in range(50)]
    dropped = [each.revoked() for each in night]
    assert dropped == [False, *(True for _ in range(49))]
    # Celery asks once more before it runs.
    assert [each.revoked() for each in night] == dropped
    assert night[0].id not in state.revoked

    assert not wake(names.REFRESH_TOKEN, age=OLD).revoked()
    assert not wake(names.REFRESH_TOKEN, age=OLD, only_expiring=True).revoked()


def test_a_wake_for_one_account_takes_no_turn_of_another() -> None:
    assert not wake(names.POLL_ACCOUNT, "a", age=OLD).revoked()
    assert not wake(names.POLL_ACCOUNT, "b", age=OLD).revoked()
    assert wake(names.POLL_ACCOUNT, "a", age=OLD).revoked()


def test_a_message_of_another_program_is_taken_however_old_it_is() -> None:
    """It is nowhere else: what is too old to be sent is kept as a dead letter."""
    assert not any(wake(names.ENQUEUE, age=OLD).revoked() for _ in range(3))


def test_a_wake_that_is_not_too_old_is_taken_whatever_was_taken_before() -> None:
    assert not any(wake(names.SWEEP, age=age).revoked() for age in (OLD, -OLD, -OLD))


def test_the_next_wake_of_a_kind_is_taken_after_less_than_the_shortest_period_of_beat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("worker.celery_parts.time.monotonic", lambda: now[0])
    assert not wake(names.SWEEP, age=OLD).revoked()
    now[0] += celery_parts.ONE_WITHIN_S - 0.1
    assert wake(names.SWEEP, age=OLD).revoked()
    now[0] += 0.1
    assert not wake(names.SWEEP, age=OLD).revoked()

    periods = [entry["schedule"] for entry in application.make().conf.beat_schedule.values()]
    assert min(periods) > celery_parts.ONE_WITHIN_S


def test_every_task_of_ours_is_read_so() -> None:
    app = application.make()
    app.loader.import_default_modules()
    tasks = app.tasks
    assert {tasks[name].Request for name in (names.SWEEP, names.REFRESH_TOKEN)} == {
        "worker.celery_parts:Request"
    }
