"""Delivering webhooks to real receivers: that answer, hang, redirect, want no more, are away."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from broadcast.errors import SettingsError
from broadcast.outbound.posting import Poster
from broadcast.rules import webhooks
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import WebhookState
from broadcast.rules.webhooks import parse_networks
from broadcast.views.objects import Webhook
from models.ledger.boxes import webhooks as reading
from models.ledger.steer import operator
from models.ledger.submit import submits
from tests.kit import ledger
from tests.kit.receiver import OLDER_SECRET, SECRET, Receiver
from tests.kit.wait import until
from worker.delivery.crew import AT_ONCE
from worker.delivery.webhooks import WebhookDeliverer

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
LOOPBACK = parse_networks("127.0.0.0/8")


class Secrets:
    """Settings with these secrets."""

    def __init__(self, *secrets: str) -> None:
        self.text = secrets

    def signing_secrets(self) -> tuple[SecretStr, ...]:
        return webhooks.parse_secrets(",".join(self.text)) if self.text else ()


def deliverer(
    engine: Engine, secrets: Any = None, *, scale: float = 1.0, timeout_s: float = 20
) -> WebhookDeliverer:
    return WebhookDeliverer(
        engine,
        Poster(timeout_s=timeout_s, allowed=LOOPBACK),
        secrets or Secrets(SECRET),
        waits=Waits(scale),
        longest_s=timeout_s,
        stopping=threading.Event(),
    )


def told(engine: Engine, url: str) -> str:
    """Store an event for *url*; return the broadcast's id."""
    body = ledger.body(size=20)
    broadcast_id = ledger.upload(engine, body)
    submits.publish(
        engine,
        broadcast_id,
        body,
        figures=ledger.figures(size=20, batches=1),
        terms=replace(ledger.terms(batches=1), notify_url=url),
        quota=ledger.PLENTY,
    )
    operator.cancel(engine, broadcast_id, who="tests")
    return broadcast_id


def stored(engine: Engine) -> list[Webhook]:
    return list(reversed(reading.newest(engine, states=list(WebhookState))))


def until_state(engine: Engine, state: WebhookState, *, start: WebhookDeliverer) -> list[Webhook]:
    """Start deliveries, as the sweep does, until every event is in this state."""

    def all_are() -> bool:
        start.start()
        return {one.state for one in stored(engine)} == {state}

    until(all_are, 30, f"every webhook {state}")
    start.join(60)
    return stored(engine)


def test_an_event_arrives_signed_with_every_secret(engine: Engine, receiver: Receiver) -> None:
    broadcast_id = told(engine, receiver.url)
    until_state(
        engine, WebhookState.DELIVERED, start=deliverer(engine, Secrets(SECRET, OLDER_SECRET))
    )

    (posted,) = receiver.posted
    posted.verify(SECRET)
    posted.verify(OLDER_SECRET)
    assert posted.id == stored(engine)[0].id
    assert posted.event["data"]["id"] == broadcast_id


@pytest.mark.parametrize("status", [500, 302])
def test_a_receiver_that_fails_gets_the_same_event_until_it_takes_it(
    engine: Engine, receiver: Receiver, status: int
) -> None:
    told(engine, receiver.url)
    receiver.status = status
    start = deliverer(engine, scale=0.001)

    def three() -> bool:
        start.start()
        return len(receiver.posted) >= 3

    until(three, 30, "three tries")
    receiver.status = 200
    (one,) = until_state(engine, WebhookState.DELIVERED, start=start)

    assert len(set(receiver.ids)) == 1
    assert len({posted.body for posted in receiver.posted}) == 1
    assert one.tries == len(receiver.posted) >= 4
    for posted in receiver.posted:
        posted.verify()


def test_a_receiver_that_is_down_for_a_day_has_its_event_shown_as_given_up(
    engine: Engine, receiver: Receiver
) -> None:
    told(engine, receiver.url)
    receiver.__exit__(None, None, None)
    (one,) = until_state(engine, WebhookState.GIVEN_UP, start=deliverer(engine, scale=0.00001))
    receiver.__enter__()

    assert one.problem is not None
    assert one.problem.id == "webhook.problem.transport"
    assert reading.count(engine, [WebhookState.GIVEN_UP]) == 1


def test_410_is_given_up_at_once(engine: Engine, receiver: Receiver) -> None:
    told(engine, receiver.url)
    receiver.status = 410
    (one,) = until_state(engine, WebhookState.GIVEN_UP, start=deliverer(engine))

    assert (one.tries, one.http_status, len(receiver.posted)) == (1, 410, 1)


def test_receivers_that_hang_keep_no_other_waiting(engine: Engine, receiver: Receiver) -> None:
    with Receiver() as slow:
        slow.answers.clear()
        for _ in range(AT_ONCE + 2):
            told(engine, slow.url)
        broadcast_id = told(engine, receiver.url)
        start = deliverer(engine)
        start.start()

        receiver.until_posted(1)
        # Of one receiver one delivery is under way, so that a flood of its events is none for it.
        assert len(slow.posted) <= 1
        slow.answers.set()
        until_state(engine, WebhookState.DELIVERED, start=start)

    assert receiver.posted[0].event["data"]["id"] == broadcast_id
    assert len(set(slow.ids)) == len(slow.ids) == AT_ONCE + 2


def test_without_secrets_nothing_is_posted_and_the_event_says_why(
    engine: Engine, receiver: Receiver
) -> None:
    class Wrong:
        def signing_secrets(self) -> tuple[SecretStr, ...]:
            raise SettingsError("error.settings.secret_file", path="x", variable="y")

    told(engine, receiver.url)
    for secrets, name in ((Secrets(), "no_secrets"), (Wrong(), "settings")):
        start = deliverer(engine, secrets, scale=0.0001)

        def failed(start: WebhookDeliverer = start, name: str = name) -> bool:
            start.start()
            problem = stored(engine)[0].problem
            return problem is not None and problem.id == f"webhook.problem.{name}"

        until(failed, 30, "a try without secrets")
        start.join(60)
    assert receiver.posted == []


def test_a_worker_that_stops_takes_no_more(engine: Engine, receiver: Receiver) -> None:
    told(engine, receiver.url)
    start = deliverer(engine)
    start._stopping.set()

    assert start.start() == 0
    assert stored(engine)[0].state is WebhookState.WAITING


def test_an_event_of_a_worker_that_died_is_taken_by_another_under_its_id(
    engine: Engine, receiver: Receiver
) -> None:
    told(engine, receiver.url)
    receiver.answers.clear()
    dead = deliverer(engine)
    dead.start()
    receiver.until_posted(1)
    # Nothing of it is recorded; the rest of its time passes.
    ledger.pass_time(engine, dead._put_off + timedelta(seconds=1))
    receiver.answers.set()
    until_state(engine, WebhookState.DELIVERED, start=deliverer(engine))
    dead.join(60)

    assert len(set(receiver.ids)) == 1
