"""Other programs are told how a broadcast ended, whatever their receiver does and whoever dies."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from broadcast import names
from broadcast.rules.states import WebhookState
from models.ledger.boxes import webhooks
from tests.kit import foreign, ledger
from tests.kit.receiver import OLDER_SECRET, SECRET, Posted, Receiver
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.valkey import Valkey

SETTINGS: dict[str, Any] = {
    "BROADCAST_WEBHOOK_SECRETS": f"{SECRET},{OLDER_SECRET}",
    "BROADCAST_WEBHOOK_NETWORKS": "127.0.0.0/8",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def listed(system: System) -> dict[str, dict[str, Any]]:
    """Return the webhooks as `webhooks list --all --json` has them, by their broadcasts."""
    told = system.broadcast("webhooks", "list", "--all", "--json").stdout
    found = json.loads(told.splitlines()[-1])["webhooks"]
    assert len({one["broadcast_id"] for one in found}) == len(found)
    return {one["broadcast_id"]: one for one in found}


def until_states(system: System, *states: WebhookState, count: int, timeout_s: float = 60) -> None:
    """Wait until so many webhooks are there, and each in one of these states."""

    def they_are() -> bool:
        found = webhooks.newest(system.engine, states=list(WebhookState))
        return len(found) == count and {one.state for one in found} <= set(states)

    until(they_are, timeout_s, f"{count} webhooks in {states}")


def test_the_accounts_receiver_is_told_without_a_beat_and_again_of_a_late_refusal(
    start_system: StartSystem, valkey: Valkey, receiver: Receiver
) -> None:
    system = start_system(
        followers=20,
        account_lines=f'notify_url = "{receiver.url}"',
        BROADCAST_WAIT_SCALE="0.01",
        **SETTINGS,
    )
    people = system.simulator.openids(20)
    worker = system.worker()
    told = system.send(people, "--title", "大促")

    (first,) = receiver.until_posted(1)
    first.verify(SECRET)
    first.verify(OLDER_SECRET)
    data = first.event["data"]
    assert first.event["type"] == "broadcast.completed"
    assert (data["id"], data["title"], data["recipients"]["accepted"]) == (told["id"], "大促", 20)
    assert not [one for one in people if one.encode() in first.body]

    (job,) = system.simulator.wait_for_jobs(1)
    system.simulator.force_job_status(job["msg_id"], "SEND_FAIL")
    with foreign.app_of(valkey.url) as app:

        def told_again() -> bool:
            app.send_task(names.POLL_RESULTS, queue=names.QUEUE)
            return len(receiver.posted) > 1

        until(told_again, 30, "a second webhook")
    again = receiver.posted[1]

    again.verify()
    assert (again.event["type"], again.event["data"]["recipients"]["refused"]) == (
        "broadcast.failed",
        20,
    )
    assert [one.id for one in receiver.posted] == [
        f"{told['id']}-{one.event['version']}" for one in receiver.posted
    ]
    assert len(set(receiver.ids)) == 2
    for secret in (SECRET, OLDER_SECRET):
        assert secret not in worker.output
        assert secret.encode() not in (system.folder / "broadcast.db").read_bytes()


@pytest.mark.timeout(240)
def test_each_event_is_delivered_or_shown_as_given_up_and_none_has_two_ids(
    start_system: StartSystem, valkey: Valkey
) -> None:
    """Receivers that are down, answer 500, hang, redirect or want no more, for a short day."""
    system = start_system(
        followers=40, BROADCAST_WAIT_SCALE="0.0001", BROADCAST_WEBHOOK_TIMEOUT="1", **SETTINGS
    )
    people = system.simulator.openids(40)
    system.worker()
    system.beat()
    with contextlib.ExitStack() as stack:
        good, failing, hanging, redirecting, gone, down, inside = (
            stack.enter_context(Receiver()) for _ in range(7)
        )
        failing.status, gone.status = 500, 410
        redirecting.status, redirecting.headers = 302, {"Location": inside.url}
        hanging.answers.clear()
        down.__exit__(None, None, None)
        receivers = (good, failing, hanging, redirecting, gone, down)
        made = _notified(system, valkey, people, receivers)
        until_states(system, WebhookState.DELIVERED, WebhookState.GIVEN_UP, count=len(receivers))

        found = listed(system)
        assert {made[one]: webhook["state"] for one, webhook in found.items()} == {
            receiver.url: "delivered" if receiver is good else "given_up" for receiver in receivers
        }
        assert {made[one] for one, webhook in found.items() if webhook["tries"] == 1} == {
            good.url,
            gone.url,
        }
        assert inside.posted == []
        assert "5 webhooks to other programs were given up" in system.broadcast("status").stderr

        # Each is mended, and a person says so.
        stack.enter_context(down)
        for receiver in receivers:
            receiver.status = 200
            receiver.answers.set()
        system.broadcast("webhooks", "retry", "--all")
        until_states(system, WebhookState.DELIVERED, count=len(receivers))
        for receiver in receivers:
            assert len(set(receiver.ids)) == 1
            for posted in receiver.posted:
                posted.verify()
                assert made[posted.event["data"]["id"]] == receiver.url


def _notified(
    system: System, valkey: Valkey, people: list[str], receivers: tuple[Receiver, ...]
) -> dict[str, str]:
    """Ask for a broadcast for each receiver; return the receivers' URLs by broadcast."""
    share = len(people) // len(receivers)
    made = {}
    with foreign.app_of(valkey.url, valkey.url) as app:
        for n, receiver in enumerate(receivers):
            mine = people[n * share : (n + 1) * share]
            body = foreign.request(mine, key=f"k{n}", notify={"url": receiver.url})
            made[foreign.enqueue(app, **body).get(timeout=60)["id"]] = receiver.url
    return made


@pytest.mark.timeout(240)
def test_a_worker_killed_before_and_after_an_answer_loses_no_event(
    database_url: str, start_system: StartSystem, receiver: Receiver
) -> None:
    system = start_system(
        followers=20,
        database_url=database_url,
        BROADCAST_WEBHOOK_TIMEOUT="1",
        account_lines=f'notify_url = "{receiver.url}"',
        **SETTINGS,
    )
    people = system.simulator.openids(20)
    worker = system.worker()
    # The receiver has it; nobody here has heard so.
    receiver.before = lambda _: worker.kill()
    broadcast_id = system.send(people)["id"]
    (first,) = receiver.until_posted(1)
    worker.wait(timeout_s=60)
    (stored,) = webhooks.of_broadcast(system.engine, broadcast_id)
    assert (stored.state, stored.tries) == (WebhookState.WAITING, 1)

    receiver.before = lambda _: None
    # Until another worker takes it.
    ledger.pass_time(system.engine, timedelta(seconds=15))
    system.worker()
    system.beat()
    until_states(system, WebhookState.DELIVERED, count=1)

    assert {posted.id for posted in receiver.posted} == {first.id}
    assert len({posted.body for posted in receiver.posted}) == 1


def test_a_receiver_that_hangs_holds_up_no_send_of_a_worker_with_one_thread(
    start_system: StartSystem, valkey: Valkey, receiver: Receiver
) -> None:
    system = start_system(
        followers=40, BROADCAST_CONCURRENCY="1", BROADCAST_WEBHOOK_TIMEOUT="60", **SETTINGS
    )
    people = system.simulator.openids(40)
    receiver.answers.clear()
    worker = system.worker()
    system.beat()
    made = _notified(system, valkey, people[:20], (receiver, receiver, receiver))
    for one in made:
        system.until_state(one, "completed")
    receiver.until_posted(1)

    later = system.send(people[20:], "--wait")

    assert later["state"] == "completed"
    assert len(receiver.posted) == 1
    # Nor does it hold up the end of the worker, which gives it three seconds; another one goes on.
    started = time.monotonic()
    assert worker.stop(timeout_s=30) == 0
    assert time.monotonic() - started < 30
    receiver.answers.set()
    ledger.pass_time(system.engine, timedelta(seconds=75))
    system.worker()
    until_states(system, WebhookState.DELIVERED, count=3)
    assert len(set(receiver.ids)) == 3


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_sixty_events_of_workers_that_are_killed_arrive_each_under_one_id(
    database_url: str, start_system: StartSystem, valkey: Valkey, receiver: Receiver
) -> None:
    system = start_system(
        followers=120,
        database_url=database_url,
        BROADCAST_WEBHOOK_TIMEOUT="1",
        BROADCAST_WAIT_SCALE="0.01",
        **SETTINGS,
    )
    people = system.simulator.openids(120)
    workers = [system.worker(), system.worker()]
    system.beat()

    def moody(posted: Posted) -> None:
        """Take each event at its third try, so that there is always something to be killed."""
        tries = receiver.ids.count(posted.id)
        receiver.status = (500, 302, 200)[min(tries, 3) - 1]

    receiver.before = moody
    made = _notified(system, valkey, people, (receiver,) * 60)
    for kills in range(6):
        receiver.until_posted(25 * (kills + 1))
        workers[kills % 2].kill()
        foreign.age_what_a_killed_worker_held(valkey)
        workers[kills % 2] = system.again(workers[kills % 2])
    until_states(system, WebhookState.DELIVERED, count=60, timeout_s=120)

    ids = {posted.id: posted.event["data"]["id"] for posted in receiver.posted}
    assert sorted(ids.values()) == sorted(made)
    for posted in receiver.posted:
        posted.verify()


def test_whatever_a_foreign_message_puts_after_the_task_does_no_harm(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=10, **SETTINGS)
    people = system.simulator.openids(10)
    system.worker()
    bad = (
        "http://169.254.169.254/latest",
        "https://127.0.0.1@example.com/",
        "https://2130706433/",
        "file:///etc/passwd",
        "https://10.0.0.1/x",
        7,
        None,
        "",
    )
    with foreign.app_of(valkey.url, valkey.url) as app:
        app.send_task(names.DELIVER_WEBHOOKS, queue=names.QUEUE, args=[{"x": 1}])
        answers = [
            foreign.enqueue(app, **foreign.request(people, key=f"k{n}", notify={"url": url})).get(
                timeout=60
            )
            for n, url in enumerate(bad)
        ]

    assert [one["id"] for one in answers] == [None] * len(bad)
    assert {one["error"]["field"] for one in answers} == {"notify.url"}
    assert system.all_reports() == []
