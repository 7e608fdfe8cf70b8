"""Metrics of a running system: of the API, and each worker's own."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from broadcast.views.metrics import METRICS
from tests.kit import api
from tests.kit.wait import until
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem

#: By a proxy on this machine, so that a key is needed.
ELSEWHERE = {"X-Forwarded-For": "192.0.2.1"}


def samples(page: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a page by name and labels, those in the order of their names."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(page)
        for one in family.samples
    }


def test_a_worker_shows_what_it_did_and_the_api_what_the_ledger_has(
    start_system: StartSystem,
) -> None:
    port = free_port()
    keys = f"{api.KEY},reader:read:reader-key-0123,of-one:read@default:of-one-key-0123"
    system = start_system(
        followers=40,
        BROADCAST_METRICS_PORT=str(port),
        BROADCAST_API_KEYS=keys,
        BROADCAST_BATCH_SIZE="10",
    )
    worker, where = system.worker(), f"http://127.0.0.1:{port}/metrics"
    silent = socket.create_connection(("127.0.0.1", port))
    sent = system.send(system.simulator.openids(40), "--key", "metrics")
    system.until_state(sent["id"], "completed")
    # Two on one machine have the same port.
    beside = system.worker()
    session = requests.Session()

    def own() -> dict[tuple[str, ...], float]:
        return samples(session.get(where, timeout=10).text)

    seconds = ("broadcast_worker_call_seconds_count",)
    until(lambda: own().get(seconds) == 4, 10, "the end of the last call")
    found = own()
    assert found["broadcast_worker_calls_total", "default", "0", "accepted"] == 4
    assert found["broadcast_worker_lane_wait_seconds_count",] == 4
    assert f"no metrics on 127.0.0.1:{port}, the worker goes on" in beside.output
    assert beside.exit_status is None

    def status(key: str | None) -> int:
        headers = ELSEWHERE if key is None else {**ELSEWHERE, "Authorization": f"Bearer {key}"}
        return session.get(where, headers=headers, timeout=10).status_code

    assert [status(key) for key in (None, "wrong-key-0123", "reader-key-0123")] == [401, 401, 200]
    assert status("of-one-key-0123") == 403
    assert session.get(where.replace("/metrics", "/"), timeout=10).status_code == 404

    program = system.api(BROADCAST_API_KEYS=keys)

    def answered() -> set[str]:
        return {name for name, *_ in samples(program.get("/metrics").text)}

    # WeChat's answer about the calls that are left comes beside the first scrape.
    every = {f"broadcast_{name}" for name in METRICS} - {"broadcast_account_closed"}
    every -= {name for name in every if "oldest_in_doubt" in name or "unsettled" in name}
    until(lambda: answered() >= every, 30, "a sample of every metric")
    ledger = samples(program.get("/metrics").text)
    assert ledger["broadcast_people", "default", "accepted"] == 40
    assert ledger["broadcast_calls_today", "default", "0", "accepted", "mass_send"] == 4
    assert ledger["broadcast_part_reachable", "broker"] == 1

    with silent:
        # It is given up after five seconds, in one line.
        assert silent.recv(1) == b""
    until(lambda: "a client was not answered: TimeoutError" in worker.output, 5, "the line")
    assert "Traceback" not in worker.output

    worker.stop()
    with pytest.raises(requests.ConnectionError):
        session.get(where, timeout=10)
