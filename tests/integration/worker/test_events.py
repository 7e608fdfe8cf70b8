"""A worker whose broker is away hears that it is to stop; its events wait for no answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import WorkerShutdown
from celery.worker import state
from sqlalchemy import Engine, make_url

from broadcast.logs.log_lines import ENGLISH
from broadcast.rules.calls.decide import Verdict
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.views.words import Meaning, fact_words
from tests.integration.models.test_notices import doubtful
from tests.servers.ports import LOOPBACK
from worker import application, person_needed
from worker.messages import PersonNeeded

if TYPE_CHECKING:
    from tests.servers.fixtures import MakeProxy
    from tests.servers.rabbitmq import RabbitMQ
    from tests.servers.valkey import Valkey


@pytest.mark.timeout(120)
def test_a_heartbeat_to_a_broker_that_is_gone_is_given_up_when_the_worker_is_to_stop(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = application.make()
    with app.connection_for_write(valkey.url) as broker:
        dispatcher = app.events.Dispatcher(broker, hostname="here")
        dispatcher.send("worker-heartbeat", retry=True)
        valkey.kill()
        monkeypatch.setattr(state, "should_stop", 0)

        with pytest.raises(WorkerShutdown):
            dispatcher.send("worker-heartbeat", retry=True)

        # Else what is said on the way out would be cut short.
        assert "errback" not in (broker.transport_options or {})


def test_an_event_of_a_task_is_sent_by_its_own_policy(valkey: Valkey) -> None:
    app = application.make()
    with app.connection_for_write(valkey.url) as broker, app.events.Dispatcher(broker) as events:
        events.send("batch", retry=True, retry_policy={"max_retries": 1}, n=1)
        assert "errback" not in (broker.transport_options or {})


@pytest.mark.timeout(120)
def test_an_event_of_a_worker_waits_for_no_answer_and_a_wake_does(
    rabbitmq: RabbitMQ, rabbitmq_url: str, tcp_proxy: MakeProxy
) -> None:
    """What waits for it would read the connection beside the worker's loop."""
    proxy = tcp_proxy((LOOPBACK, rabbitmq.port))
    url = make_url(rabbitmq_url).set(port=proxy.port).render_as_string(hide_password=False)
    app = application.make()
    with app.connection_for_write(url) as broker, app.connection_for_write(url) as other:
        events = app.events.Dispatcher(
            broker.ensure_connection(),
            hostname="here",
            buffer_group=["task"],
            buffer_while_offline=False,
        )
        events.send("worker-online")
        pooled = app.events.Dispatcher(
            other.ensure_connection(), hostname="here", buffer_while_offline=False
        )
        pooled.send("worker-online")
        proxy.stall()

        events.send("worker-heartbeat")
        with pytest.raises(TimeoutError):
            pooled.send("worker-heartbeat")
        proxy.flow()


def test_an_errcode_that_is_still_to_be_verified_does_not_stand_before_the_reason(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    broadcast_id = doubtful(engine)
    here: Any = SimpleNamespace(engine=engine, tuning=DEFAULT_TUNING)
    calls = [
        {
            "broadcast": broadcast_id,
            "batch": 1,
            "of": 1,
            "errcode": code,
            "outcome": word,
            "then": then.value,
        }
        for code, word, then in (
            (45065, "already_accepted", Verdict.VERIFY),
            (40130, "bad_recipients", Verdict.REFUSE),
        )
    ]

    with pytest.raises(PersonNeeded) as met:
        person_needed.raise_of_broadcasts(here, [broadcast_id], calls)

    _, _, reasons = str(met.value).partition(" · ")
    assert str(fact_words(Meaning(45065), ENGLISH)) not in reasons
    assert reasons.startswith(str(fact_words(Meaning(40130), ENGLISH)))
