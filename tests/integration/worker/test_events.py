"""A worker whose broker is away hears that it is to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from celery.exceptions import WorkerShutdown
from celery.worker import state

from worker import application

if TYPE_CHECKING:
    from tests.servers.valkey import Valkey


@pytest.mark.timeout(20)
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
