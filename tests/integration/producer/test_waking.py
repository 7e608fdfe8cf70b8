from __future__ import annotations

import json
import subprocess
import sys
import time
from base64 import b64decode
from contextlib import closing

import pytest

from broadcast import names
from broadcast.errors import BrokerAwayError
from broadcast.logs import request_ids
from producer.waking import CeleryWaker
from tests.kit.wait import patiently
from tests.servers.fixtures import MakeProxy
from tests.servers.ports import free_port
from tests.servers.proxy import TCPProxy
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.valkey import Valkey

#: A person waits for it: seconds, or as many as a busy machine makes of them.
SECONDS = patiently(6)


def test_a_wake_is_a_message_by_name_with_the_id_alone(valkey: Valkey) -> None:
    with closing(CeleryWaker(valkey.url)) as waker:
        waker.wake_planner("20261125-abcdef")
        token = request_ids.current.set("req-4711")
        waker.wake_planner("20261125-abcdef")
        request_ids.current.reset(token)

    with valkey.client() as client:
        asked, message = (json.loads(client.lpop(names.QUEUE)) for _ in range(2))
    assert (asked["headers"]["request_id"], message["headers"].get("request_id")) == (
        "req-4711",
        None,
    )
    assert message["headers"]["task"] == names.PLAN
    assert json.loads(b64decode(message["body"]))[0] == ["20261125-abcdef"]


def test_a_wake_through_rabbitmq_arrives(rabbitmq_url: str) -> None:
    from kombu import Connection

    with closing(CeleryWaker(rabbitmq_url)) as waker:
        waker.wake_planner("20261125-abcdef")

    with Connection(rabbitmq_url) as connection, connection.SimpleQueue(names.QUEUE) as queue:
        message = queue.get(timeout=240)
        message.ack()
    assert message.headers["task"] == names.PLAN


@pytest.fixture
def full_url(rabbitmq: RabbitMQ, rabbitmq_url: str) -> str:
    """URL of a RabbitMQ that takes no message: it says so to whoever asks for confirmations."""
    full = json.dumps({"max-length": 0, "overflow": "reject-publish"})
    vhost = rabbitmq_url.rpartition("/")[2]
    rabbitmq.control("set_policy", "-p", vhost, "full", f"^{names.QUEUE}$", full)
    return rabbitmq_url


BY_US = """
from broadcast.errors import BrokerAwayError
from producer.waking import CeleryWaker
waker = CeleryWaker("{url}")
try:
    waker.wake_planner("20261125-abcdef")
except BrokerAwayError:
    print("refused")
waker.close()
"""
BY_A_WORKER = """
from kombu.exceptions import OperationalError
from worker import app
try:
    app.send_task("broadcast.sweep")
except OperationalError:
    print("refused")
"""


@pytest.mark.parametrize("program", [BY_US, BY_A_WORKER], ids=["command", "worker"])
def test_a_message_that_rabbitmq_refuses_is_told(
    full_url: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", full_url)

    out = subprocess.run(
        [sys.executable, "-c", program.format(url=full_url)],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )

    assert out.stdout == "refused\n"


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_refusing_broker_is_told_at_once(scheme: str) -> None:
    waker = CeleryWaker(f"{scheme}://user:hunter2secret@127.0.0.1:{free_port()}/0")
    begun = time.monotonic()

    with pytest.raises(BrokerAwayError) as caught:
        waker.wake_planner("x")

    assert time.monotonic() - begun < SECONDS
    assert "hunter2secret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("redis://:hunter2secret@127.0.0.1:1/0?foo=1", "TypeError"),
        ("redis://:hunter2secret@127.0.0.1:1/nothing", "ValueError"),
        ("rediss://:hunter2secret@127.0.0.1:1/0?ssl_cert_reqs=x", "KeyError"),
    ],
)
def test_a_wake_that_fails_in_an_unexpected_way_has_not_woken(url: str, cause: str) -> None:
    with closing(CeleryWaker(url)) as waker, pytest.raises(BrokerAwayError) as caught:
        waker.wake_planner("x")

    assert cause in str(caught.value)
    assert "hunter2secret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_silent_broker_is_given_up_on(valkey: Valkey, tcp_proxy: MakeProxy) -> None:
    proxy: TCPProxy = tcp_proxy(("127.0.0.1", valkey.port))
    proxy.stall()
    begun = time.monotonic()

    waker = CeleryWaker(f"redis://{proxy.address}/0")
    with closing(waker), pytest.raises(BrokerAwayError):
        waker.wake_planner("x")

    assert time.monotonic() - begun < SECONDS


def test_neither_celery_nor_worker_is_imported_before_a_wake() -> None:
    program = (
        "import sys, producer.waking, producer.submit.store, entrypoints.cli.commands.status\n"
        "producer.waking.CeleryWaker('redis://localhost/0')\n"
        "print([m for m in ('celery', 'kombu', 'numpy', 'requests', 'redis', 'rich.table', "
        "'worker.tasks') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert out.stdout.strip() == "[]"


def test_unexpected_failure_of_the_client_is_logged_with_its_traceback(
    valkey: Valkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_words: object, **_options: object) -> None:
        raise ZeroDivisionError("not of the broker")

    with closing(CeleryWaker(valkey.url)) as waker:
        monkeypatch.setattr("celery.Celery.send_task", send)
        with pytest.raises(BrokerAwayError) as caught:
            waker.wake_planner("20261125-abcdef")

    assert caught.value.facts["reason"] == "ZeroDivisionError: not of the broker"
    (record,) = [one for one in caplog.records if one.name == "producer.waking"]
    assert record.exc_info is not None


def test_broker_that_is_away_leaves_no_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"

    with closing(CeleryWaker(url)) as waker, pytest.raises(BrokerAwayError):
        waker.wake_planner("20261125-abcdef")

    assert [one for one in caplog.records if one.name == "producer.waking"] == []
