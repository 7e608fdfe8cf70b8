"""WeChat's answers of the last seconds let through what fits; they refuse and hold nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan.proof import Quota
from broadcast.settings.program_settings import Settings
from models.ledger.lane import leases
from models.ledger.rows import closed_gates
from producer.submit import recent_quotas
from producer.submit.recent_quotas import ANSWER_FOR_S, Answer, RecentQuotas
from tests.integration.worker.test_enqueue import message
from tests.kit import ledger
from worker import dead_letters, enqueue, planner
from worker.delivery import planning

PATH = SendPath.MASS_SEND
ACCOUNT = ledger.account()

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


class WeChat:
    """Answers quota/get with one remainder after the other, the last one for ever."""

    def __init__(self, *remains: int) -> None:
        self.remains = list(remains)
        self.asked = 0

    def __call__(self, *_: object) -> Quota | None:
        self.asked += 1
        remain = self.remains.pop(0) if len(self.remains) > 1 else self.remains[0]
        return None if remain < 0 else Quota(daily_limit=100, used=100 - remain, remain=remain)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The machine's clock, which stands until a test moves it, and its day."""
    made = SimpleNamespace(now=100.0, day=date(2026, 12, 1))
    monkeypatch.setattr(recent_quotas, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(recent_quotas, "_today", lambda: made.day)
    return made


def remain(said: Answer | None) -> int | None:
    return None if said is None else said.quota.remain


def test_an_answer_is_good_for_its_seconds_and_its_day(clock: SimpleNamespace) -> None:
    quotas = RecentQuotas(WeChat(9, 8, 7))
    found = [remain(quotas.answer(ACCOUNT, PATH))]
    for seconds, today in ((ANSWER_FOR_S - 0.1, 1), (0.1, 1), (0, 2)):
        clock.now += seconds
        clock.day = date(2026, 12, today)
        found.append(remain(quotas.answer(ACCOUNT, PATH)))

    assert found == [9, 9, 8, 7]


def test_nobody_is_given_the_answer_of_another_account_or_interface(
    clock: SimpleNamespace,
) -> None:
    del clock
    quotas = RecentQuotas(WeChat(9, 8, 7))
    whose = ((ACCOUNT, PATH), (ledger.account("b"), PATH), (ACCOUNT, SendPath.SENDALL))

    assert [remain(quotas.answer(*one)) for one in whose] == [9, 8, 7]


def test_that_wechat_gave_no_answer_is_not_kept(clock: SimpleNamespace) -> None:
    del clock
    quotas = RecentQuotas(WeChat(-1, 8))

    assert [remain(quotas.answer(ACCOUNT, PATH)) for _ in range(2)] == [None, 8]


def test_many_that_ask_at_once_are_given_one_answer() -> None:
    together = threading.Barrier(8)
    wechat = WeChat(9, 8)
    quotas = RecentQuotas(wechat)

    def ask() -> int | None:
        together.wait()
        return remain(quotas.answer(ACCOUNT, PATH))

    with ThreadPoolExecutor(8) as threads:
        found = [one.result() for one in [threads.submit(ask) for _ in range(8)]]
    assert (found, wechat.asked) == ([9] * 8, 1)


class Worker:
    """Takes messages; their plans are made by hand."""

    def __init__(self, here: SimpleNamespace) -> None:
        self._here = here
        #: What it would plan.
        self.ids: list[str] = []

    def plan(self, broadcast_id: str, **_: object) -> None:
        self.ids.append(broadcast_id)

    def take(self, wechat: WeChat, *texts: str) -> list[dict[str, Any]]:
        """Take a message for each text."""
        self._here.quotas = RecentQuotas(wechat)
        contents = [{"msgtype": "text", "text": {"content": text}} for text in texts]
        return [
            enqueue.submit_message(message(key=f"{n}", content=one))
            for n, one in enumerate(contents)
        ]


@pytest.fixture
def worker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Worker:
    settings = Settings(WECHAT_APPID="wx0123456789abcdef", WECHAT_APPSECRET="0" * 32)
    here = SimpleNamespace(
        settings=settings, engine=engine, accounts=settings.accounts(), wechat=None
    )
    made = Worker(here)
    monkeypatch.setattr(enqueue, "parts", lambda: here)
    monkeypatch.setattr(dead_letters, "parts", lambda: here)
    monkeypatch.setattr(enqueue, "leave_answer", lambda *_: None)
    monkeypatch.setattr(planner, "plan", made.plan)
    return made


@sqlite
def test_of_many_messages_wechat_is_asked_once(worker: Worker) -> None:
    wechat = WeChat(50)

    made = worker.take(wechat, "a", "b", "c")

    assert worker.ids == [one["id"] for one in made]
    assert (None not in worker.ids, wechat.asked) == (True, 1)


@sqlite
def test_a_message_is_refused_by_a_new_answer_alone(worker: Worker) -> None:
    wechat = WeChat(1, 2, 2)

    first, second, third = worker.take(wechat, "a", "b", "c")

    # The second is let through by a new answer, and the third is refused by another.
    assert worker.ids == [first["id"], second["id"]]
    assert third["error"]["code"] == "error.plan.too_many_one_held"
    assert wechat.asked == 3


class _Lane:
    """What planning needs of a lane whose WeChat says so."""

    def __init__(self, engine: Engine, wechat: WeChat) -> None:
        self.engine, self.account = engine, ACCOUNT
        self.gateway = SimpleNamespace(quota=wechat)
        self.tuning = SimpleNamespace(waits=Waits())


@sqlite
@pytest.mark.parametrize(("now", "held"), [(50, False), (0, True)])
def test_a_plan_is_held_by_a_new_answer_alone(
    still: tuple[Engine, object], now: int, held: bool
) -> None:
    """By the recent answer one call is left, and the plan has two."""
    engine, _ = still
    wechat = WeChat(1, now)
    recent = RecentQuotas(wechat)
    recent.answer(ACCOUNT, PATH)
    broadcast_id = ledger.published(engine, ledger.body(), quota=None)

    planned = planning.plan(_Lane(engine, wechat), broadcast_id, recent=recent)  # type: ignore[arg-type]

    assert planned is not None
    with engine.connect() as connection:
        kinds = [gate.kind for gate in closed_gates.of_broadcasts(connection, [broadcast_id])]
    assert kinds == ([GateKind.HOLD] if held else [])
    assert wechat.asked == 2


@sqlite
def test_a_lane_that_is_driven_is_not_woken(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[tuple[object, ...]] = []
    here = SimpleNamespace(
        engine=engine, quotas=None, context=lambda _, **__: _Lane(engine, WeChat(50))
    )
    monkeypatch.setattr(planner, "parts", lambda: here)
    monkeypatch.setattr(planner, "wake", lambda *what: woken.append(what))
    first = ledger.published(engine, ledger.body())
    planner.plan(first)
    held = leases.acquire(engine, "default", "tests")
    assert held is not None

    planner.plan(ledger.published(engine, ledger.body(text="甲")))
    assert woken == [("broadcast.send_batch", "default", first)]

    leases.release(engine, held)
    last = ledger.published(engine, ledger.body(text="乙"))
    planner.plan(last)
    assert woken[1:] == [("broadcast.send_batch", "default", last)]
