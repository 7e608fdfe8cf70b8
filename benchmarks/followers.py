"""``broadcast followers sync`` against a bare loop that only fetches the pages, in turn.

Prints both times, their ratio round by round, the peak memory of the command, and the size of the
ledger's file. The simulator's own time is a part of both.
Usage: python -m benchmarks.followers [--followers N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from benchmarks.__main__ import MB, WATCHED
from entrypoints.cli.embedded.supervisor import beside_proxies
from tests.kit.simulator import Simulator
from tests.kit.system import System
from tests.servers.valkey import Valkey

USER_GET = "/cgi-bin/user/get"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    wanted = parser.parse_args()
    os.environ.update(beside_proxies(os.environ))
    with (
        tempfile.TemporaryDirectory() as folder,
        Valkey() as valkey,
        Simulator(followers=wanted.followers) as simulator,
        System(Path(folder), valkey=valkey, simulator=simulator) as system,
    ):
        simulator.change_account(daily_limits={USER_GET: 1_000_000})
        ratios = []
        for n in range(wanted.rounds):
            bare_s = bare(simulator, wanted.followers)
            ours_s, peak = ours(system, wanted.followers)
            ratios.append(ours_s / bare_s)
            print(
                f"round {n + 1}: sync {ours_s:.1f} s, bare loop {bare_s:.1f} s, "
                f"ratio {ratios[-1]:.2f}, peak {peak / MB:.0f} MB"
            )
        size = (system.folder / "broadcast.db").stat().st_size
        print(f"ratio, median of {wanted.rounds}: {statistics.median(ratios):.2f}")
        print(f"ledger: {size / MB:.0f} MB")


def ours(system: System, followers: int) -> tuple[float, int]:
    """Return the seconds of the command, and its peak memory in bytes."""
    command = [str(Path(sys.executable).parent / "broadcast"), "followers", "sync", "--json"]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *command],
        env={**os.environ, **system.env},
        cwd=system.folder,
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.perf_counter() - started
    *_, told, peak_kb = done.stdout.splitlines()
    if json.loads(told)["followers"] != followers:
        message = f"not all followers: {told!r}"
        raise RuntimeError(message)
    return seconds, int(peak_kb) * 1024


def bare(simulator: Simulator, followers: int) -> float:
    """Return the seconds of a loop that fetches each page, parses it and forgets it."""
    account, session = simulator.account, requests.Session()
    started = time.perf_counter()
    body = {
        "grant_type": "client_credential",
        "appid": account.appid,
        "secret": account.secret,
    }
    token = session.post(f"{simulator.url}/cgi-bin/stable_token", json=body, timeout=30).json()
    found, at = 0, ""
    while True:
        query = {"access_token": token["access_token"], "next_openid": at}
        page = session.get(f"{simulator.url}{USER_GET}", params=query, timeout=30).json()
        found += page["count"]
        at = page["next_openid"]
        if not page["count"] or not at:
            break
    seconds = time.perf_counter() - started
    if found != followers:
        message = f"the loop found {found}"
        raise RuntimeError(message)
    return seconds


if __name__ == "__main__":
    main()
