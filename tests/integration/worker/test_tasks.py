"""What beat wakes for: one account, or one part, that fails keeps no other waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from broadcast.errors import SettingsError
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.calls.waits import Tuning
from broadcast.tokens.token_service import Token
from broadcast.wechat.client import WeChatClient
from broadcast.wechat_account.account_client import AccountClient
from models.ledger.boxes import outbox
from models.ledger.lane import apply_decision
from models.ledger.steer import operator, sweeps
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said
from worker import planner, tasks, wake
from worker.delivery.gateway import WeChatGateway
from worker.messages import PersonNeeded


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the waker was woken, in order."""
    wakes: list[tuple[object, ...]] = []

    def wake(*what: object) -> bool:
        wakes.append(what)
        return True

    monkeypatch.setattr(tasks, "wake", wake)
    return wakes


#: The database is the right one.
CHECKED = SimpleNamespace(watch=len)
#: Nobody hears of anything.
NOTICES = SimpleNamespace(report=lambda: 0)
#: Nobody asks when a sweep last came.
WECHAT = SimpleNamespace(sweep_mark=SimpleNamespace(note=lambda: None))
#: Nothing waits in the outbox for this worker.
REQUESTS = SimpleNamespace(start=lambda: 0)


def wired(engine: Engine, monkeypatch: pytest.MonkeyPatch, *names: str, **more: Any) -> None:
    """Give the tasks a process whose settings have the accounts *names*."""
    accounts = {name: ledger.account(name) for name in names}
    here = SimpleNamespace(
        engine=engine,
        accounts=accounts,
        tuning=Tuning(),
        database_check=CHECKED,
        notices=NOTICES,
        requests=REQUESTS,
        wechat=WECHAT,
        **more,
    )
    monkeypatch.setattr(tasks, "parts", lambda: here)
    monkeypatch.setattr(planner, "parts", lambda: here)


def test_sweep_leaves_an_account_that_its_worker_lacks_to_whoever_has_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, woken: list[tuple[object, ...]]
) -> None:
    here, there = (ledger.broadcast(engine, owner=ledger.account(name)) for name in ("a", "b"))
    plan = ledger.published(engine, ledger.body(owner=ledger.account("b"), text="别的"))
    wired(engine, monkeypatch, "a")
    tasks.sweep()
    assert woken == [("broadcast.send_batch", "a", here)]

    wired(engine, monkeypatch, "b")
    tasks.sweep()
    assert woken[1:] == [("broadcast.plan", plan), ("broadcast.send_batch", "b", there)]


def test_sweep_wakes_for_what_was_posted_for_an_account_that_its_worker_lacks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, woken: list[tuple[object, ...]]
) -> None:
    wired(engine, monkeypatch, "a")
    tasks.sweep()
    post(engine, account="b")
    tasks.sweep()
    assert woken == [("broadcast.submit_outbox",)]


def post(engine: Engine, *, account: str) -> None:
    with engine.begin() as connection:
        outbox.post(connection, body="{}", account=account, who="shop")


def unable(*_: object, **__: object) -> None:
    """The context of an account that this worker's settings lack."""
    raise SettingsError("error.settings.unknown_account", account="b", names="a")


@pytest.mark.parametrize(
    "task",
    ["broadcast.plan", "broadcast.send_batch", "broadcast.settle", "broadcast.submit_outbox"],
)
def test_wake_for_an_account_that_its_worker_lacks_goes_on_to_the_next_worker_until_it_went_round(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    passed: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def publish(task: str, args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
        passed.append(((task, *args), kwargs))
        return True

    monkeypatch.setattr(wake, "_publish", publish)
    broadcast_id = ledger.published(engine, ledger.body(owner=ledger.account("b")))
    post(engine, account="b")
    wired(engine, monkeypatch, "a", context=unable)
    of: dict[str, tuple[Callable[..., object], tuple[str, ...]]] = {
        "broadcast.plan": (tasks.plan, (broadcast_id,)),
        "broadcast.send_batch": (tasks.send_batch, ("b", broadcast_id)),
        "broadcast.settle": (tasks.poll_account, ("b",)),
        "broadcast.submit_outbox": (tasks.submit_outbox, ()),
    }
    run, words = of[task]
    for forward_count in [*range(wake.MOST_FORWARDS + 1), -1]:
        run(*words, forward_count=forward_count)
    assert passed == [
        ((task, *words), {"forward_count": n}) for n in range(1, wake.MOST_FORWARDS + 1)
    ]


def test_poll_wakes_for_results_of_an_account_that_its_worker_lacks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, woken: list[tuple[object, ...]]
) -> None:
    ledger.broadcast(engine, owner=ledger.account("b"))
    Driver(engine, "b").call(said(0, msg_id=1))
    ledger.pass_time(engine, apply_decision.FIRST_POLL)
    wired(engine, monkeypatch, "a")
    assert tasks.poll_results() == 1
    assert woken == [("broadcast.settle", "b")]


class Tokens:
    """WeChat answers the first account when all others have been asked for, or let go."""

    def __init__(self, slow: str, others: int) -> None:
        self._slow = slow
        self._client = WeChatClient("http://127.0.0.1:1")
        self._others = threading.Semaphore(0)
        self._count = others
        self.asked = threading.Event()
        self.kept_waiting = False
        self.go_on = threading.Event()

    def get(self, appid: str) -> Token:
        if appid != self._slow:
            self._others.release()
        else:
            self.asked.set()
            self.go_on.wait(60)
            got = (self._others.acquire(timeout=240) for _ in range(self._count))
            self.kept_waiting = not all(got)
        at = datetime.now(UTC)
        return Token(value=SecretStr("token"), generation=1, expires_at=at, fetched_at=at)

    def gateway(self, account: Account) -> WeChatGateway:
        return WeChatGateway(AccountClient(self._client, self, account))  # type: ignore[arg-type]


def test_account_that_wechat_answers_slowly_keeps_no_other_from_its_token(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens(ledger.account("a").appid, others=12)
    tokens.go_on.set()
    names = ["a", *(f"b{n}" for n in range(12))]
    wired(engine, monkeypatch, *names, gateway=tokens.gateway)
    assert tasks.refresh_token(only_expiring=True) == dict.fromkeys(names, "ok")
    assert not tokens.kept_waiting


def test_wake_for_tokens_that_are_being_fetched_takes_no_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens(ledger.account("a").appid, others=0)
    wired(engine, monkeypatch, "a", gateway=tokens.gateway)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(tasks.refresh_token, only_expiring=True)
        assert tokens.asked.wait(60)
        assert tasks.refresh_token(only_expiring=True) == {}
        tokens.go_on.set()
        assert slow.result(60) == {"a": "ok"}


def test_sweep_that_waits_for_a_row_takes_one_thread_and_keeps_no_wake_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, woken: list[tuple[object, ...]]
) -> None:
    wired(engine, monkeypatch, "a")
    waits, go_on, begun = threading.Event(), threading.Event(), []

    def hold(*_: object, **__: object) -> int:
        begun.append("hold")
        waits.set()
        return int(go_on.wait(60))

    monkeypatch.setattr(sweeps, "doubt_expired", hold)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(tasks.sweep)
        assert waits.wait(60)
        broadcast_id = ledger.broadcast(engine, owner=ledger.account("a"))
        assert tasks.sweep() == {"plans": 0, "lanes": 1}
        go_on.set()
        slow.result(60)
    assert (begun, woken) == (["hold"], [("broadcast.send_batch", "a", broadcast_id)])


def test_sweep_wakes_although_what_only_time_can_settle_fails(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    woken: list[tuple[object, ...]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    broadcast_id = ledger.broadcast(engine)
    wired(engine, monkeypatch, "default")
    asked = []

    def fails(name: str) -> Any:
        def fail(*_: object, **__: object) -> int:
            asked.append(name)
            raise RuntimeError(f"{name} is broken\nand says more")

        return fail

    monkeypatch.setattr(sweeps, "doubt_expired", fails("hold"))
    monkeypatch.setattr(sweeps, "forget_uploads", fails("forget"))
    tasks.sweep()

    assert woken == [("broadcast.send_batch", "default", broadcast_id)]
    assert asked == ["hold", "forget"]
    lines = [record.getMessage() for record in caplog.records if record.name == "worker.tasks"]
    assert lines == [
        "sweep: step hold failed: RuntimeError: hold is broken",
        "sweep: step forget failed: RuntimeError: forget is broken",
    ]


def test_what_tasks_without_events_find_is_raised_by_one_that_has_some(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, woken: list[tuple[object, ...]]
) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).call(LOST)
    ledger.pass_time(engine, timedelta(hours=24))
    refused = NoAnswer(outcome=Outcome.STOP_ACCOUNT, scope=Scope.ACCOUNT, errcode=40125)
    gateway = SimpleNamespace(refresh=lambda **_: refused)
    wired(engine, monkeypatch, "default", gateway=lambda _: gateway)
    monkeypatch.setenv("BROADCAST_LANG", "zh")

    tasks.sweep()
    with pytest.raises(
        PersonNeeded, match=f" → broadcast resolve {broadcast_id} --batch 1 --sent "
    ):
        tasks.report("broadcast", broadcast_id)
    tasks.refresh_token()
    # What was closed within hundredths of a second is taken for closed since.
    ledger.pass_time(engine, timedelta(seconds=1))
    tasks.refresh_token()

    findings = [list(map(str, words[1:])) for words in woken if words[0] == "broadcast.report"]
    assert findings == [["broadcast", broadcast_id], ["account", "default"]]
    with pytest.raises(PersonNeeded, match=r"^default · 已停用：.*40125.* → broadcast unhalt"):
        tasks.report(*findings[1])
    operator.unhalt(engine, "default", who="a person")
    tasks.report(*findings[1])
