"""What stood in the queue of other programs and is no message is kept once, and removed after."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from broadcast import names
from broadcast.errors import ConflictError, DatabaseAwayError
from models.ledger.boxes import dead_letters as reading
from models.ledger.steer import erasures
from tests.kit.wait import until
from worker import dead_letters as worker_dead_letters

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from sqlalchemy import Engine

    from broadcast.rules.dead_letters import KeptLetter
    from tests.servers.valkey import Valkey

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
AWAY = DatabaseAwayError("error.database.away", reason="refused")


@pytest.fixture
def client(
    valkey: Valkey, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[redis.Redis]:
    monkeypatch.setattr(worker_dead_letters, "parts", lambda: SimpleNamespace(engine=engine))
    with valkey.client() as made:
        yield made


def kept(engine: Engine) -> list[KeptLetter]:
    return list(reading.newest(engine, state=None, most=50))


def keep(client: redis.Redis) -> int:
    return worker_dead_letters.store_unread_list(client.execute_command, names.UNREAD)


def test_each_is_kept_as_it_was_and_leaves_the_broker(client: redis.Redis, engine: Engine) -> None:
    client.lpush(names.UNREAD, b"a\0", b"\xff", b"", b"a\0")

    assert keep(client) == 4

    found = {reading.letter_named(engine, one.id)[1]: one for one in kept(engine)}
    assert {body: one.times for body, one in found.items()} == {r"a\x00": 2, r"\xff": 1, "": 1}
    assert {one.reason.id for one in found.values()} == {"error.dead.no_message"}
    assert client.dbsize() == 0


def test_a_person_in_a_coded_body_is_found(client: redis.Redis, engine: Engine) -> None:
    one = "o" + "Ab_-" * 6 + "123"
    body = base64.b64encode(json.dumps([[], {"openids": [one], "text": "早"}]).encode()).decode()
    client.lpush(names.UNREAD, json.dumps({"body": body, "headers": {"id": "x1"}}))

    assert keep(client) == 1

    [letter] = kept(engine)
    entry = json.loads(reading.letter_named(engine, letter.id)[1])
    assert entry["headers"] == {"id": "x1"}
    assert json.loads(entry["body"])[1]["openids"] == [one]
    with pytest.raises(ConflictError, match=r"error\.person\.dead_letter"):
        erasures.erase(engine, "default", one, who="me")


def test_a_worker_that_is_killed_after_the_commit_leaves_one_letter(
    client: redis.Redis, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.lpush(names.UNREAD, b"junk", b"more")
    keep_one = reading.store_letter

    def and_die(*args: object) -> str:
        keep_one(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reading, "store_letter", and_die)
        with pytest.raises(KeyboardInterrupt):
            keep(client)
    assert client.lrange(names.UNREAD, 0, -1) == [b"more", b"junk"]
    # Nobody else goes on at once; after a while everybody may.
    assert (keep(client), client.llen(names.UNREAD)) == (0, 2)
    assert 0 < client.ttl(f"{names.UNREAD}.at") <= worker_dead_letters.HELD_S
    client.delete(f"{names.UNREAD}.at")

    assert keep(client) == 2
    assert {one.times for one in kept(engine)} == {1, 2}
    assert client.dbsize() == 0


@pytest.mark.parametrize("error", [AWAY, ZeroDivisionError()])
def test_while_it_cannot_be_kept_it_waits_in_the_broker_and_no_thread_does(
    client: redis.Redis,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fails(*_: object) -> None:
        raise error

    client.lpush(names.UNREAD, b"junk")
    keeper = worker_dead_letters.UnreadKeeper(lambda: keep(client))
    with monkeypatch.context() as patch:
        patch.setattr(reading, "store_letter", fails)
        for _ in range(50):
            keeper.store_soon()
        until(lambda: "kept" in caplog.text, 60, "a line about it")
        keeper.store_soon()
    assert (client.llen(names.UNREAD), kept(engine)) == (1, [])
    assert len(caplog.records) == 1

    client.delete(f"{names.UNREAD}.at")
    worker_dead_letters.UnreadKeeper(lambda: keep(client)).store_soon()

    until(lambda: client.dbsize() == 0, 60, "it left the broker")
    assert len(kept(engine)) == 1
