"""Keys of a worker's own metrics, which strangers may try as often as they like."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine

from broadcast.settings.program_settings import Settings
from models.engine import open_engine
from tests.kit import template
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK, free_port
from worker import metrics_server
from worker.metrics_server import MetricsServer

KEY = "key-of-the-file-0123"


@contextlib.contextmanager
def server(engine: Engine, keys: Path) -> Iterator[str]:
    """A server of metrics; its address."""
    port = free_port()
    settings = Settings.model_validate(
        {
            "BROADCAST_METRICS_PORT": port,
            "BROADCAST_API_KEYS_FILE": str(keys),
        }
    )
    made = MetricsServer(settings, engine)
    made.start()
    yield f"http://{LOOPBACK}:{port}/metrics"
    made.stop()
    engine.dispose()


def status(url: str, key: str) -> int:
    # By a proxy on this machine, so that a key is needed.
    headers = {"X-Forwarded-For": "192.0.2.1", "Authorization": f"Bearer {key}"}
    return requests.get(url, headers=headers, timeout=60).status_code


def test_strangers_seldom_reach_a_database_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY)
    came: list[socket.socket] = []
    with socket.create_server((LOOPBACK, 0)) as database:

        def refuse() -> None:
            with contextlib.suppress(OSError):
                while True:
                    came.append(database.accept()[0])
                    came[-1].close()

        thread = threading.Thread(target=refuse)
        thread.start()
        engine = open_engine(f"postgresql://somebody@{LOOPBACK}:{database.getsockname()[1]}/none")
        with server(engine, tmp_path / "keys") as url:
            found = [status(url, "wrong-key-0123") for _ in range(30)]
        database.shutdown(socket.SHUT_RDWR)
        thread.join()

    assert set(found) == {503}
    assert 0 < len(came) < len(found) / 2


def test_a_keys_file_that_is_being_written_takes_no_key_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    seen = []

    def is_read_again() -> bool:
        seen.append(status(url, KEY))
        return bool(caplog.records)

    engine = template.migrated(f"sqlite:///{tmp_path / 'broadcast.db'}")
    with server(engine, keys) as url:
        assert status(url, KEY) == 200
        # Whoever writes it anew empties it first.
        keys.write_text("")
        until(is_read_again, 10, "a look at the emptied file")

    assert set(seen) == {200}


def is_open(connection: socket.socket) -> bool:
    """Whether it is after another byte of half a head."""
    try:
        connection.send(b"x")
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_half_heads_that_drip_take_few_connections_and_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics_server, "_HEAD_S", 2)
    caplog.set_level("INFO")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(
            server(open_engine(f"sqlite:///{tmp_path}/none.db"), tmp_path / "keys")
        )
        address = LOOPBACK, int(url.split(":")[2].split("/")[0])
        heads = [
            stack.enter_context(socket.create_connection(address, timeout=5)) for _ in range(50)
        ]
        for head in heads:
            head.setblocking(False)
            head.send(b"GET /metrics HTTP/1.1\r\nA: ")

        few = metrics_server._MOST_AT_ONCE
        until(lambda: sum(map(is_open, heads)) <= few, 10, "the end of those that are too many")
        until(lambda: not any(map(is_open, heads)), 10, "the end of all")
        assert requests.get(url, timeout=60).status_code == 200

    assert caplog.text.count("a client was not answered") == 1
