"""A worker process's parts: none keeps another one waiting, whatever the machine is called."""

from __future__ import annotations

import contextlib
import os
import socket
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from models.ledger.lane import leases
from tests.kit import ledger
from worker import wiring
from worker.delivery.ports import MassCall


def parts(engine: Engine, monkeypatch: pytest.MonkeyPatch, **settings: str) -> wiring.WorkerParts:
    """The parts of a worker with these settings."""
    given = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "REDIS_URL": "redis://127.0.0.1:1",
        "WECHAT_APPID": "wx0123456789abcdef",
        "WECHAT_APPSECRET": "0123456789abcdef0123456789abcdef",
    }
    for name, value in (given | settings).items():
        monkeypatch.setenv(name, value)
    return wiring._build.__wrapped__(os.getpid())


def test_text_that_was_stored_is_sent_whatever_the_workers_own_limit_is(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = parts(engine, monkeypatch, BROADCAST_TEXT_LIMIT="1")
    content = {"msgtype": "text", "text": {"content": "好" * 6_000}}
    message = MassCall(openids=b"oTEST%023d" % 1 * 2, content=content, clientmsgid="k")

    ready = here.gateway(here.accounts["default"]).ready(message)

    assert ready.problem is None
    assert "好".encode() * 6_000 in (ready.body or b"")
    here.engine.dispose()


def test_lease_is_renewed_while_the_lanes_have_every_connection(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = parts(engine, monkeypatch, BROADCAST_CONCURRENCY="1")
    ledger.broadcast(engine)
    held = ledger.Driver(engine).lease
    ledger.pass_time(engine, timedelta(seconds=4))
    with contextlib.ExitStack() as busy, here.heartbeat.keep(held) as lease:
        for _ in range(2 * wiring.pool_size(1)):
            busy.enter_context(here.engine.connect())
        here.heartbeat.renew()
        ledger.pass_time(engine, timedelta(seconds=4))

        assert leases.renew(engine, [held]) == set()
        assert not lease.lost
    here.engine.dispose()


@pytest.mark.parametrize("host", ["发送机-1", "büro" * 40, "\udce4\udcf6"])
def test_machine_whose_name_is_not_ascii_drives_a_lane(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    ledger.broadcast(engine)

    held = leases.acquire(engine, "default", wiring.lane_owner(os.getpid()))

    assert held is not None
    assert leases.renew(engine, [held]) == set()


@pytest.mark.parametrize(("concurrency", "most"), [(1, 4), (64, 20), (200, 64), (512, 64)])
def test_connections_of_a_process_follow_its_threads(concurrency: int, most: int) -> None:
    assert 2 * wiring.pool_size(concurrency) == most
