"""Pushes a second that one `broadcast callback` takes, against an app that only inserts the row.

Both in turn, over kept connections, with ready-made requests of the end of a job in safe mode; each
is another push. Prints the ratio pair by pair.
Usage: python -m benchmarks.callback [--database sqlite|postgresql|mariadb] [--requests N]
"""

from __future__ import annotations

import argparse
import itertools
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from benchmarks.__main__ import SERVERS, database
from benchmarks.bare import serving
from tests.integration.callback.conftest import settings, started, url_of
from tests.kit import template
from tests.kit.pushes import AES_KEY, Sender, finished

CONNECTIONS = 16
NUMBERS = itertools.count(3_147_483_649)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", *SERVERS), default="sqlite")
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, database(wanted.database) as given:
        folder = Path(name)
        url = given or f"sqlite:///{folder / 'broadcast.db'}"
        template.migrated(url).dispose()
        with (
            started(folder, settings(folder, url)) as ours,
            serving("benchmarks.bare_callback", folder, url) as bare,
        ):
            ratios = [
                _round(wanted.requests, ours=url_of(ours), bare=bare) for _ in range(wanted.rounds)
            ]
    print(f"callback/{wanted.database}: median ratio {statistics.median(ratios):.2f}")


def _round(count: int, *, ours: str, bare: str) -> float:
    """Measure both, and return ours as a part of the bare one's."""
    rates = [_rate(base, _requests(count)) for base in (bare, ours)]
    print(f"bare {rates[0]:.0f}/s, ours {rates[1]:.0f}/s, ratio {rates[1] / rates[0]:.2f}")
    return rates[1] / rates[0]


def _requests(count: int) -> list[bytes]:
    sender = Sender(url="", appid="wx0000000000000002", aes_key=AES_KEY)
    return [_raw(*sender.request(finished(next(NUMBERS)))) for _ in range(count)]


def _raw(query: dict[str, str], body: bytes) -> bytes:
    head = (
        f"POST /wechat/safe/callback?{urlencode(query)} HTTP/1.1\r\nHost: bench\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _rate(base: str, requests: Sequence[bytes]) -> float:
    parts = urlsplit(base)
    address = (parts.hostname or "", parts.port or 0)
    shares = [requests[n::CONNECTIONS] for n in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        begun = time.monotonic()
        taken = sum(threads.map(lambda share: _push(address, share), shares))
        elapsed = time.monotonic() - begun
    assert taken == len(requests), f"{taken} of {len(requests)} taken"
    return len(requests) / elapsed


def _push(address: tuple[str, int], requests: Sequence[bytes]) -> int:
    """Push one after the other over one connection; return how many were taken."""
    taken = 0
    with socket.create_connection(address, timeout=60) as connection:
        for request in requests:
            connection.sendall(request)
            answer = connection.recv(4096)
            # Head and body are two writes.
            while answer.startswith(b"HTTP/1.1 200") and not answer.endswith(b"success"):
                answer += connection.recv(4096)
            taken += answer.startswith(b"HTTP/1.1 200")
    return taken


if __name__ == "__main__":
    main()
