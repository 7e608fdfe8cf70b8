"""The id of a broadcast, where Celery looks for the result of a task."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from celery import Celery

from broadcast.settings import server_urls
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.valkey import Valkey
from worker import enqueue

ANSWER = {"id": "20261127-abcdef", "created": True, "dead_letter": None, "error": None}


@pytest.fixture
def look_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the Redis of answers."""

    def look(url: str) -> None:
        settings = SimpleNamespace(result_backend=url)
        monkeypatch.setattr(enqueue, "parts", lambda: SimpleNamespace(settings=settings))
        enqueue._backend.cache_clear()

    yield look
    enqueue._backend.cache_clear()


# Celery calls what redis-py would rather have called otherwise.
@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
@pytest.mark.parametrize("socket", [False, True])
def test_an_answer_is_found_by_celery_and_forgotten_by_redis(
    valkey: Valkey, look_for: Callable[[str], None], socket: bool
) -> None:
    look_for(server_urls.for_celery(valkey.socket_url if socket else valkey.url))

    enqueue.leave_answer("task-1", ANSWER)

    with contextlib.closing(Celery(backend=valkey.url, set_as_current=False)) as app:
        assert app.AsyncResult("task-1").get(timeout=60) == ANSWER
    with valkey.client() as client:
        (key,) = client.keys("*")
        assert 0 < client.ttl(key) <= enqueue.KEPT_S


def test_an_answer_that_cannot_be_left_is_a_line_without_a_password(
    look_for: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    look_for(f"redis://:hunter2-password@{LOOPBACK}:{free_port()}/0")

    enqueue.leave_answer("task-1", ANSWER)

    assert len(caplog.records) == 1
    assert "\n" not in caplog.text.strip()
    assert "hunter2" not in caplog.text
    assert "no answer was left for the sender of task-1" in caplog.text
