"""What another program put into the queue: a broadcast, a dead letter, or back to the broker."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Ignore, Reject
from kombu.exceptions import OperationalError
from kombu.message import Message as BrokerMessage
from sqlalchemy import Engine

from broadcast import names
from broadcast.errors import DatabaseAwayError
from broadcast.message import Message
from broadcast.rules import accounts
from broadcast.rules.dead_letters import KeptLetter
from broadcast.rules.plan.cut import CHUNK
from broadcast.settings.program_settings import Settings
from models.ledger.boxes import dead_letters as reading
from models.ledger.lists import uploads
from models.ledger.steer import sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from producer.request import incoming
from producer.submit.recent_quotas import RecentQuotas
from tests.kit import ledger
from worker import application, celery_parts, enqueue, messages, planner, program_door
from worker import dead_letters as worker_dead_letters
from worker.messages import PersonNeeded

TEXT = {"msgtype": "text", "text": {"content": "您好"}}
AWAY = DatabaseAwayError("error.database.away", reason="refused")


LONG = ledger.openids(CHUNK + 1)


def message(
    *args: object,
    origin: str | None = "gen1@shop",
    unanswered: bool = False,
    **kwargs: object,
) -> enqueue.TaskMessage:
    asked = {"key": "k", "content": TEXT, "audience": {"openids": ledger.openids(3)}, **kwargs}
    return enqueue.TaskMessage.from_arguments(
        args, asked, task_id="task-1", origin=origin, unanswered=unanswered
    )


class Stopping:
    """What the worker waits for; how long it did."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    made = Stopping()
    monkeypatch.setattr(enqueue, "stopping", made)
    return made


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The answers that were left."""
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(enqueue, "leave_answer", lambda *answer: found.append(answer))
    return found


@pytest.fixture(autouse=True)
def here(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    stopping: Stopping,
    left: list[tuple[str, dict[str, Any]]],
) -> None:
    """A worker with one account, whom WeChat does not answer and no broker hears."""
    del stopping, left
    settings = Settings(WECHAT_APPID="wx0123456789abcdef", WECHAT_APPSECRET="0" * 32)
    parts = SimpleNamespace(
        settings=settings,
        engine=engine,
        accounts=settings.accounts(),
        quotas=RecentQuotas(lambda *_: None),
        wechat=None,
    )
    monkeypatch.setattr(enqueue, "parts", lambda: parts)
    monkeypatch.setattr(worker_dead_letters, "parts", lambda: parts)
    monkeypatch.setattr(planner, "plan", lambda *_, **__: None)


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was published."""
    found: list[tuple[str, dict[str, Any]]] = []
    app = SimpleNamespace(send_task=lambda name, **more: found.append((name, more)))
    monkeypatch.setattr(application, "make", lambda: app)
    return found


def come(expires: datetime, /, **headers: object) -> Any:
    """Run the task of a message as the worker does with what it takes from the broker."""
    app = Celery("shop", set_as_current=False)
    sent = app.amqp.as_task_v2(
        "task-1", names.ENQUEUE, kwargs=dict(message().kwargs), expires=expires
    )
    ours = application.make()
    ours.loader.import_default_modules()
    said: dict[str, Any] = {**sent.headers, **headers}
    taken = BrokerMessage(
        body=json.dumps(sent.body),
        headers=said,
        properties={},
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={},
    )
    request = celery_parts.Request(taken, app=ours, task=ours.tasks[names.ENQUEUE])
    assert not request.revoked()
    return request.execute()


def kept(engine: Engine) -> list[KeptLetter]:
    return list(reading.newest(engine, state=None, most=50))


sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_good_message_is_one_broadcast_however_often_it_comes(
    engine: Engine, left: list[tuple[str, dict[str, Any]]]
) -> None:
    first, again = enqueue.submit_message(message()), enqueue.submit_message(message())

    told = broadcast_reports.report(engine, first["id"])
    assert (told.key, told.created_by) == ("k", "celery gen1@shop")
    assert (first["created"], again["created"], again["id"]) == (True, False, first["id"])
    assert (first["error"], first["dead_letter"]) == (None, None)
    assert [one["code"] for one in first["notices"]] == ["notice.plan.unproved"]
    assert "--" not in first["notices"][0]["text"]
    assert left == [("task-1", first), ("task-1", again)]
    assert kept(engine) == []


@sqlite
def test_who_asks_for_no_result_gets_none(left: list[tuple[str, dict[str, Any]]]) -> None:
    enqueue.submit_message(message(unanswered=True))

    assert left == []


@sqlite
@pytest.mark.parametrize("origin", [None, "", "x" * 61, "a\nb"])
def test_a_sender_without_a_name_that_can_be_shown_is_celery(
    engine: Engine, origin: str | None
) -> None:
    made = enqueue.submit_message(message(origin=origin))

    assert broadcast_reports.report(engine, made["id"]).created_by == "celery"


@pytest.mark.parametrize(
    ("bad", "code", "field"),
    [
        (message(titles="x"), "error.request.unknown_near", "titles"),
        (message(key=None), "error.request.wrong", "key"),
        (message(key=" "), "error.request.wrong", "key"),
        (message("order-1"), "error.request.positional", "args"),
        (message(key="k\0"), "error.key.unprintable", "key"),
        (message(title="\ud800"), "error.title.unprintable", "title"),
        (message(content={"a\ud800\0": [1]}), "error.content.surrogate", "content"),
        (
            message(audience={"openids": ["\0", "\ud800"]}),
            "error.audience.none_valid",
            "audience.openids",
        ),
    ],
)
def test_a_bad_message_is_a_dead_letter_and_says_so_to_its_sender(
    engine: Engine, bad: enqueue.TaskMessage, code: str, field: str | None
) -> None:
    told = enqueue.submit_message(bad)

    (one,) = kept(engine)
    assert (told["id"], told["dead_letter"]) == (None, one.id)
    assert (told["error"]["code"], told["error"]["field"]) == (code, field)
    assert "--" not in told["error"]["text"]
    assert one.reason.id == code
    assert broadcast_reports.reports(engine) == []


@sqlite
def test_a_broadcast_whose_list_is_still_to_come_cannot_be_excluded(engine: Engine) -> None:
    owner = accounts.make("default", appid="wx0123456789abcdef", appsecret="0" * 32)
    awaited = ledger.upload(engine, ledger.body(owner=owner))

    told = enqueue.submit_message(message(exclude=[f"broadcast:{awaited}"]))

    assert (told["id"], told["error"]["code"]) == (None, "error.exclude.awaited")
    assert told["error"]["field"] == "exclude.0"
    assert [one.reason.id for one in kept(engine)] == ["error.exclude.awaited"]


@sqlite
def test_expiry_is_judged_by_the_clock_of_the_ledger_and_not_of_the_machine(
    engine: Engine,
    left: list[tuple[str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expires = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(enqueue, "present", lambda _engine: expires - timedelta(seconds=1))

    come(expires)

    assert kept(engine) == []
    ((_, answer),) = left
    assert answer["created"]


@sqlite
@pytest.mark.parametrize("headers", [{}, {"expires": "2026-01-02T03:04:05"}, {"shadow": "x"}])
def test_every_message_that_expired_is_a_dead_letter_and_says_so_to_its_sender(
    engine: Engine, left: list[tuple[str, dict[str, Any]]], headers: dict[str, object]
) -> None:
    ends = [come(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), **headers) for _ in range(2)]
    answers_ = [answer for _, answer in left]

    (one,) = kept(engine)
    assert (one.key, one.times) == ("k", 2)
    assert one.reason == Message("error.dead.expired", at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert [task_id for task_id, _ in left] == ["task-1", "task-1"]
    assert all(isinstance(end.exception, PersonNeeded) for end in ends)
    assert {answer["dead_letter"] for answer in answers_} == {one.id}
    assert "2026-01-02 11:04:05 (Beijing time)" in answers_[0]["error"]["text"]
    assert broadcast_reports.reports(engine) == []


@sqlite
@pytest.mark.parametrize(
    ("embed", "part"),
    [
        ({"callbacks": [{"task": "shop.done"}]}, "link"),
        ({"errbacks": [{"task": "shop.bad"}]}, "link_error"),
        ({"chain": [{"task": "shop.next"}]}, "chain"),
        ({"chord": {"task": "shop.all"}}, "chord"),
    ],
)
def test_a_message_that_asks_for_another_task_is_kept_so_that_it_can_be_sent_without(
    engine: Engine, left: list[tuple[str, dict[str, Any]]], embed: dict[str, object], part: str
) -> None:
    channel = SimpleNamespace(basic_reject=lambda *_, **__: None)
    came = BrokerMessage(
        body=json.dumps([[], dict(message(account="club").kwargs), embed]),
        channel=channel,
        headers={"task": names.ENQUEUE, "id": "task-1"},
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={"exchange": "", "routing_key": names.ENQUEUE},
        delivery_tag="1",
    )
    consumer = messages.Consumer.__new__(messages.Consumer)
    facts = {"task_consumer": SimpleNamespace(_active_tags={}), "call_soon_ack": None}
    unused: dict[str, Any] = {"connection_errors": (), "strategies": {}, "on_task_message": ()}
    vars(consumer).update(facts | unused)

    consumer.create_task_handler()(came)

    (one,) = kept(engine)
    assert (one.key, one.account) == ("k", "club")
    assert one.reason == Message("error.dead.canvas", part=part)
    ((task_id, answer),) = left
    assert (task_id, answer["dead_letter"]) == ("task-1", one.id)
    assert incoming.parse_text(reading.letter_named(engine, one.id)[1]).key == "k"
    assert came.acknowledged


@sqlite
def test_a_message_that_was_stored_before_it_expired_is_one_broadcast(engine: Engine) -> None:
    now = datetime.now(UTC)
    first, again = come(now + timedelta(hours=1)), come(now - timedelta(hours=1))

    assert (first["created"], again["created"], again["id"]) == (True, False, first["id"])
    assert kept(engine) == []


@sqlite
def test_what_nobody_expected_is_a_dead_letter_too(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(program_door, "submit", breaks)

    told = enqueue.submit_message(message())

    assert told["error"]["code"] == "error.dead.failed"
    assert kept(engine)[0].reason.facts == {"kind": "ZeroDivisionError"}


@sqlite
def test_what_cannot_be_kept_at_all_goes_back_to_the_broker(
    monkeypatch: pytest.MonkeyPatch, stopping: Stopping, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reading, "store_letter", lambda *_: 1 / 0)

    with pytest.raises(Reject) as caught:
        enqueue.submit_message(message(titles="x"))

    assert (vars(caught.value)["requeue"], stopping.waited) == (True, [worker_dead_letters.PAUSE_S])
    assert "cannot be kept" in caplog.text


@sqlite
@pytest.mark.parametrize("bad", [False, True])
def test_while_the_database_is_away_a_message_waits_and_goes_back_to_the_broker(
    bad: bool, monkeypatch: pytest.MonkeyPatch, stopping: Stopping, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise AWAY

    monkeypatch.setattr(program_door, "submit", away)
    monkeypatch.setattr(reading, "store_letter", away)

    with pytest.raises(Reject) as caught:
        enqueue.submit_message(message(titles="x") if bad else message())

    assert vars(caught.value)["requeue"]
    assert stopping.waited == [worker_dead_letters.PAUSE_S]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.every_database
def test_a_message_whose_worker_was_suspended_for_an_hour_goes_back_to_the_broker(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, stopping: Stopping
) -> None:
    # A shorter list is stored whole: there is nothing to be given up.
    publish = submits.publish

    def suspended(*args: Any, **facts: Any) -> Any:
        ledger.pass_time(engine, uploads.GIVEN_UP_AFTER + timedelta(seconds=1))
        assert sweeps.forget_uploads(engine) == 1
        return publish(*args, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(submits, "publish", suspended)
        with pytest.raises(Reject) as caught:
            enqueue.submit_message(message(audience={"openids": LONG}))

    assert (vars(caught.value)["requeue"], stopping.waited) == (True, [worker_dead_letters.PAUSE_S])
    assert kept(engine) == []
    assert enqueue.submit_message(message(audience={"openids": LONG}))["created"]


@sqlite
def test_a_message_of_another_workers_account_is_passed_on_as_it_came(
    engine: Engine, sends: list[tuple[str, dict[str, Any]]]
) -> None:
    asked = replace(message(account="club"), expires=datetime.max.replace(tzinfo=UTC))

    for forwards in range(enqueue.MOST_MESSAGE_FORWARDS):
        with pytest.raises(Ignore):
            enqueue.submit_message(asked)
        name, sent = sends.pop()
        assert (name, sent["queue"], sent["task_id"]) == (names.ENQUEUE, names.ENQUEUE, "task-1")
        # Not as an argument, or RabbitMQ would drop it.
        assert sent["headers"] == {"expires": "9999-12-31T23:59:59.999999+00:00"}
        assert "expires" not in sent
        asked = enqueue.TaskMessage.from_arguments(
            sent["args"],
            sent["kwargs"],
            task_id="task-1",
            origin="gen9@worker",
            unanswered=False,
            expires=asked.expires,
        )
        assert (asked.forwards, asked.who) == (forwards + 1, "celery gen1@shop")
        assert asked.body == message(account="club").body
    assert kept(engine) == []

    told = enqueue.submit_message(asked)
    assert told["error"]["code"] == "error.settings.unknown_account"
    assert told["error"]["field"] == "account"
    assert (sends, len(kept(engine))) == ([], 1)


@sqlite
@pytest.mark.parametrize("forged", [3, [-1, None], ["1", None], [1], [1, 2], {}])
def test_a_forged_count_of_workers_counts_nothing(forged: object) -> None:
    asked = message(forwarded=forged)

    assert (asked.forwards, asked.who) == (0, "celery gen1@shop")
    # It is refused as any other argument that nobody knows.
    assert asked.body[enqueue.FORWARDED] == forged


@sqlite
def test_a_message_that_cannot_be_passed_on_goes_back_to_the_broker(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, stopping: Stopping
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OperationalError("refused")

    monkeypatch.setattr(application, "make", lambda: SimpleNamespace(send_task=fails))

    with pytest.raises(Reject) as caught:
        enqueue.submit_message(message(account="club"))

    assert (vars(caught.value)["requeue"], stopping.waited) == (True, [worker_dead_letters.PAUSE_S])
    assert kept(engine) == []
