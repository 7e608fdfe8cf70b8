"""Of what another program put into Redis nothing is lost, whenever a worker is killed."""

from __future__ import annotations

import contextlib
import json
import select
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Queue

from broadcast import names
from tests.kit import foreign
from tests.kit.wait import until
from worker import letters
from worker.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.message import Message

    from tests.servers.valkey import Valkey

QUEUES = [Queue(names.QUEUE), Queue(names.ENQUEUE)]


class Worker:
    """Takes messages as a worker's consumer does, and can be killed at any point."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.taken: list[Any] = []
        self.channel: Any = connection.channel()
        consumer = connection.Consumer(
            QUEUES, channel=self.channel, callbacks=[self._take], accept=["json"]
        )
        consumer.consume()

    def _take(self, body: Any, message: Message) -> None:
        self.taken.append(body)
        message.ack()

    def drain(self, count: int) -> list[Any]:
        """Take messages until there are so many."""

        def enough() -> bool:
            while len(self.taken) < count:
                self._connection.drain_events(timeout=1)
            return True

        until(enough, 30, f"{count} messages")
        return self.taken

    def die_with_a_message(self) -> None:
        """Have Redis pop a message, and never read it."""
        transport: Any = self._connection.transport
        transport.cycle._register_BRPOP(self.channel)
        connection = self.channel.client.connection
        ready, _, _ = select.select([connection._sock], [], [], 30)
        assert ready
        connection.disconnect()


@pytest.fixture(params=["", "club:"])
def start(
    request: pytest.FixtureRequest, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Worker]]:
    with contextlib.ExitStack() as stack:

        def started() -> Worker:
            options = {"global_keyprefix": request.param, "unacked_restore_interval": 1}
            connection = Connection(valkey.url, transport_options=options)
            monkeypatch.setattr(connection, "transport_cls", Transport)
            return Worker(stack.enter_context(connection))

        yield started


def send(valkey: Valkey, prefix: str, *keys: str) -> None:
    """What another program sends, which knows the prefix."""
    with foreign.app_of(valkey.url) as app:
        app.conf.broker_transport_options = {"global_keyprefix": prefix}
        for key in keys:
            foreign.enqueue(app, **foreign.request(["a"], key=key))


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    value: str = request.node.callspec.params["start"]
    return value


def noted(valkey: Valkey, prefix: str) -> tuple[int, int]:
    with valkey.client() as client:
        return client.hlen(f"{prefix}unacked"), client.zcard(f"{prefix}unacked_index")


def test_a_message_that_was_popped_and_never_read_goes_to_another_worker(
    valkey: Valkey, start: Callable[[], Worker], prefix: str
) -> None:
    send(valkey, prefix, "a")
    start().die_with_a_message()
    assert noted(valkey, prefix) == (1, 1)
    with valkey.client() as client:
        assert client.llen(f"{prefix}{names.ENQUEUE}") == 0
        for tag, _ in client.zscan_iter(f"{prefix}unacked_index"):
            client.zincrby(f"{prefix}unacked_index", -foreign.LONG_AGO_S, tag)

    another = start()
    another.channel.qos.restore_visible(interval=1)

    assert [body[1]["key"] for body in another.drain(1)] == ["a"]
    assert noted(valkey, prefix) == (0, 0)


def test_messages_and_wakes_are_taken_in_turn_and_each_once(
    valkey: Valkey, start: Callable[[], Worker], prefix: str
) -> None:
    worker = start()
    send(valkey, prefix, *map(str, range(20)))
    with Connection(valkey.url, transport_options={"global_keyprefix": prefix}) as connection:
        producer = connection.Producer(serializer="json")
        for n in range(20):
            producer.publish({"wake": n}, routing_key=names.QUEUE, declare=[QUEUES[0]])

    taken = worker.drain(40)

    keys = [body[1]["key"] for body in taken if isinstance(body, list)]
    assert keys == [str(n) for n in range(20)]
    assert [body["wake"] for body in taken if isinstance(body, dict)] == list(range(20))
    # Neither of the two waits for the end of the other.
    kinds = [type(body) for body in taken]
    assert {kinds[:10].count(list), kinds[:10].count(dict)} == {5}
    assert noted(valkey, prefix) == (0, 0)


def test_a_worker_that_waits_takes_what_comes_next(
    valkey: Valkey, start: Callable[[], Worker], prefix: str
) -> None:
    worker = start()
    for n in range(3):
        send(valkey, prefix, str(n))
        assert [body[1]["key"] for body in worker.drain(n + 1)] == [str(m) for m in range(n + 1)]


@pytest.mark.parametrize("junk", [b"\xff", b"[]", b"{}", b'{"properties": 1}', None])
def test_junk_is_kept_and_not_taken_again(
    valkey: Valkey,
    start: Callable[[], Worker],
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    junk: bytes | None,
) -> None:
    """None: an envelope that kombu could note as taken, whose tag nobody can print."""
    kept: list[str] = []
    monkeypatch.setattr(letters, "bury_in_time", lambda body, _: kept.append(body))
    where = {"exchange": "", "routing_key": names.ENQUEUE}
    bad = {"body": "", "properties": {"delivery_tag": "a\n", "delivery_info": where}}
    worker = start()
    with valkey.client() as client:
        client.lpush(f"{prefix}{names.ENQUEUE}", junk or json.dumps(bad).encode())
    send(valkey, prefix, "a")

    assert [body[1]["key"] for body in worker.drain(1)] == ["a"]
    assert len(kept) == 1
    assert noted(valkey, prefix) == (0, 0)
