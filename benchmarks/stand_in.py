"""Calls of 10,000 OpenIDs to the simulator and to a bare application, in turn, in one run.

The simulator answers for WeChat in every other measurement, so it must not be what is measured.
Usage: python -m benchmarks.stand_in [--calls N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import orjson
import psutil
import requests

from entrypoints.cli.embedded.supervisor import beside_proxies
from tests.kit.processes import RunningProcess, python_module
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from tests.servers.ports import free_port, listens

FOLLOWERS = 1_000_000
BATCH = 10_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=FOLLOWERS // BATCH)
    wanted = parser.parse_args()
    os.environ.update(beside_proxies(os.environ))
    measure(calls=min(wanted.calls, FOLLOWERS // BATCH))


def measure(*, calls: int = FOLLOWERS // BATCH) -> None:
    """Post the same bodies to both, alternately; print medians, ratio and memory."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, requests.Session() as session:
        uvicorn = python_module(
            "uvicorn",
            "benchmarks.bare_app:app",
            "--port",
            str(port),
            "--http",
            "httptools",
            "--log-level",
            "warning",
        )
        with (
            RunningProcess(uvicorn, log=Path(folder) / "bare.log"),
            Simulator(followers=FOLLOWERS, daily_limit=calls, calls_per_minute=0) as simulator,
        ):
            until(lambda: listens(port), 20, "the bare application")
            targets = (mass_send_of(simulator, session), f"http://127.0.0.1:{port}/")
            ours, bare = zip(
                *(
                    [posted(session, url, body) for url in targets]
                    for body in bodies(simulator, calls)
                ),
                strict=True,
            )
            resident = psutil.Process(simulator.process.pid).memory_info().rss
    print(
        f"10,000 OpenIDs a call, {calls} calls: simulator {statistics.median(ours):.1f} ms, "
        f"bare application {statistics.median(bare):.1f} ms, "
        f"ratio {statistics.median(ours) / statistics.median(bare):.1f}; "
        f"simulator with {FOLLOWERS:,} followers: {resident / 1_000_000:.0f} MB"
    )


def mass_send_of(simulator: Simulator, session: requests.Session) -> str:
    """Return the URL of mass/send with a token of the simulator's account."""
    account = simulator.account
    asked = {"grant_type": "client_credential", "appid": account.appid, "secret": account.secret}
    said = session.post(f"{simulator.url}/cgi-bin/stable_token", json=asked, timeout=30).json()
    return f"{simulator.url}/cgi-bin/message/mass/send?access_token={said['access_token']}"


def bodies(simulator: Simulator, calls: int) -> list[bytes]:
    """Return the bodies of the calls: all followers, each once."""
    return [
        orjson.dumps(
            {
                "touser": simulator.openids(BATCH, start=n * BATCH),
                "msgtype": "text",
                "text": {"content": "基准"},
                "clientmsgid": f"stand-in-{n}",
            }
        )
        for n in range(calls)
    ]


def posted(session: requests.Session, url: str, body: bytes) -> float:
    """Post *body*; return the milliseconds that its client waited."""
    started = time.perf_counter()
    said = session.post(url, data=body, timeout=30).json()
    elapsed_ms = (time.perf_counter() - started) * 1000
    if said["errcode"] != 0:
        message = f"refused: {said}"
        raise RuntimeError(message)
    return elapsed_ms


if __name__ == "__main__":
    main()
