"""Of what another program put into Redis nothing is lost, whenever a worker is killed."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Queue

import celeryconfig
from broadcast import names
from tests.kit import foreign
from tests.kit.wait import can_read, until
from worker import dead_letters
from worker.queue_transport import Transport

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
        self.places: list[Any] = []
        #: The first one.
        self.gives_back = False
        self.channel: Any = connection.channel()
        consumer = connection.Consumer(
            QUEUES, channel=self.channel, callbacks=[self._take], accept=["json"]
        )
        consumer.consume()

    def _take(self, body: Any, message: Message) -> None:
        self.taken.append(body)
        self.places.append(
            {name: message.delivery_info[name] for name in ("exchange", "routing_key")}
        )
        if self.gives_back:
            self.gives_back = False
            message.reject(requeue=True)
        else:
            message.ack()

    def nothing_comes(self) -> None:
        """See that a whole look at the queues finds nothing."""
        count = len(self.taken)
        with contextlib.suppress(TimeoutError):
            self._connection.drain_events(timeout=1)
        assert len(self.taken) == count

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
        assert can_read(connection._sock, 30)
        connection.disconnect()


@pytest.fixture(params=["", "club:"])
def start(
    request: pytest.FixtureRequest, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Worker]]:
    with contextlib.ExitStack() as stack:

        def started() -> Worker:
            options = {
                **celeryconfig.broker_transport_options,
                "global_keyprefix": request.param,
                "unacked_restore_interval": 1,
            }
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
        held = client.hlen(f"{prefix}{names.UNACKED}")
        return held, client.zcard(f"{prefix}{foreign.UNACKED_INDEX}")


def age(valkey: Valkey, prefix: str) -> None:
    """Let what dead workers hold be anybody's."""
    with valkey.client() as client:
        for tag, _ in client.zscan_iter(f"{prefix}{foreign.UNACKED_INDEX}"):
            client.zincrby(f"{prefix}{foreign.UNACKED_INDEX}", -foreign.LONG_AGO_S, tag)


def test_what_another_app_took_is_left_to_it_however_long_it_holds_it(
    valkey: Valkey, start: Callable[[], Worker], prefix: str
) -> None:
    worker = start()
    with Connection(valkey.url, transport_options={"global_keyprefix": prefix}) as connection:
        queue = connection.SimpleQueue("shop")
        queue.put({"order": 1})
        held = queue.get(timeout=10)
        with valkey.client() as client:
            client.zincrby(f"{prefix}unacked_index", -foreign.LONG_AGO_S, held.delivery_tag)

        worker.channel.qos.restore_visible(interval=1)

        with valkey.client() as client:
            assert client.llen(f"{prefix}shop") == 0
        held.ack()
        queue.close()


def test_a_message_that_was_popped_and_never_read_goes_to_another_worker(
    valkey: Valkey, start: Callable[[], Worker], prefix: str
) -> None:
    send(valkey, prefix, "a")
    start().die_with_a_message()
    assert noted(valkey, prefix) == (1, 1)
    with valkey.client() as client:
        assert client.llen(f"{prefix}{names.ENQUEUE}") == 0
    age(valkey, prefix)

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


def envelope(key: str, *, tag: object, **info: object) -> bytes:
    """What a program that writes its own envelopes pushes."""
    where = {"exchange": "", "routing_key": names.ENQUEUE, **info}
    body = base64.b64encode(json.dumps([[], {"key": key}, {}]).encode()).decode()
    facts = {"delivery_tag": tag, "delivery_info": where, "body_encoding": "base64"}
    parts = {"content-type": "application/json", "content-encoding": "utf-8", "properties": facts}
    return json.dumps({"body": body, "headers": None, **parts}).encode()


def push(valkey: Valkey, prefix: str, *items: bytes) -> None:
    with valkey.client() as client:
        client.lpush(f"{prefix}{names.ENQUEUE}", *items)


def aside(valkey: Valkey, prefix: str) -> list[bytes]:
    with valkey.client() as client:
        return client.lrange(f"{prefix}{names.UNREAD}", 0, -1)[::-1]


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often what is put aside was to be kept."""
    found: list[str] = []
    monkeypatch.setattr(dead_letters, "store_soon", lambda: found.append("x"))
    return found


#: What no script can note, an envelope whose tag nobody can print, and numbers of no JSON.
JUNK = [
    b"\xff",
    b"[]",
    b"{}",
    b'{"properties": 1}',
    b"[" * 3000,
    envelope("x", tag=1),
    envelope("x", tag="t", exchange=None),
    envelope("x", tag="a\n"),
    envelope("x", tag="n").replace(b"null", b"0x1f"),
]


def test_junk_is_put_aside_and_what_is_behind_it_is_taken(
    valkey: Valkey, start: Callable[[], Worker], prefix: str, woken: list[str]
) -> None:
    push(valkey, prefix, *JUNK, *(str(n).encode() for n in range(250)))
    send(valkey, prefix, "a")
    worker = start()

    assert [body[1]["key"] for body in worker.drain(1)] == ["a"]
    assert sorted(aside(valkey, prefix)) == sorted([*JUNK, *(str(n).encode() for n in range(250))])
    assert woken
    assert noted(valkey, prefix) == (0, 0)


@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_not_lost_with_a_worker_that_never_read_it(
    valkey: Valkey, start: Callable[[], Worker], prefix: str, woken: list[str], junk: bytes
) -> None:
    push(valkey, prefix, junk)
    start().die_with_a_message()
    age(valkey, prefix)
    send(valkey, prefix, "a")

    another = start()
    another.channel.qos.restore_visible(interval=1)

    assert [body[1]["key"] for body in another.drain(1)] == ["a"]
    another.nothing_comes()
    (item,) = aside(valkey, prefix)
    # What kombu could read, it wrote anew.
    assert item == junk or b'"redelivered": true' in item
    assert noted(valkey, prefix) == (0, 0)
    del woken


@pytest.mark.parametrize(
    "info",
    [{"exchange": "theirs"}, {"routing_key": "x"}, {"half": "\\ud800 \ud800 \\\ud800 \ud83d"}],
)
def test_a_message_finds_back_whatever_its_sender_wrote_of_its_queue(
    valkey: Valkey, start: Callable[[], Worker], prefix: str, info: dict[str, str]
) -> None:
    """Once from a worker that never read it, and once from one that gives it back."""
    push(valkey, prefix, envelope("a", tag="t", **info, consumer_tag="9"))
    start().die_with_a_message()
    age(valkey, prefix)
    another = start()
    another.channel.qos.restore_visible(interval=1)
    another.gives_back = True

    assert [body[1]["key"] for body in another.drain(2)] == ["a", "a"]
    assert another.places == [{"exchange": "", "routing_key": names.ENQUEUE}] * 2
    assert (aside(valkey, prefix), noted(valkey, prefix)) == ([], (0, 0))


def test_messages_of_one_tag_hold_up_nobody_and_none_is_lost_with_its_worker(
    valkey: Valkey, start: Callable[[], Worker], prefix: str
) -> None:
    push(valkey, prefix, *(envelope(key, tag="1") for key in "abc"))
    start().die_with_a_message()
    start().die_with_a_message()
    send(valkey, prefix, "d")
    worker = start()
    worker.gives_back = True

    assert sorted(body[1]["key"] for body in worker.drain(3)) == ["c", "c", "d"]
    assert noted(valkey, prefix) == (2, 2)

    age(valkey, prefix)
    worker.channel.qos.restore_visible(interval=1)

    assert sorted(body[1]["key"] for body in worker.drain(5)[3:]) == ["a", "b"]
    assert (aside(valkey, prefix), noted(valkey, prefix)) == ([], (0, 0))
