"""The server under fire: no 5xx, no false acceptance, no growth, and WeChat is served meanwhile."""

from __future__ import annotations

import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from urllib.parse import urlsplit

import psutil
import pytest

from tests.integration.callback.attacks import Answer, Attack, Attacker, made
from tests.integration.callback.conftest import Served
from tests.kit.pushes import event
from tests.kit.wait import until

THREADS = 6
WARM_UP = 400
#: Buffers, a log, SQLite's cache; not a body of 50 MB, nor what each of 100,000 requests left.
MOST_GROWTH_BYTES = 24 * 1_048_576
#: 0: cut off in the middle of what nobody reads. 400: no HTTP at all.
REFUSED = {0, 400, 403}


def test_two_thousand_hostile_requests(served: Served) -> None:
    _under_fire(served, requests=2_000, seed=7)


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_hostile_requests(served: Served) -> None:
    _under_fire(served, requests=100_000, seed=int(time.time()))


def _under_fire(served: Served, *, requests: int, seed: int) -> None:
    print(f"seed {seed}")
    attacker = Attacker(served.to("plain"), served.to("safe"), seed=seed)
    before = len(served.stored("safe"))
    process = psutil.Process(served.process.pid)
    attacks = attacker.requests(requests)
    with ThreadPoolExecutor(THREADS) as threads:

        def fire(some: list[Attack]) -> list[tuple[Attack, Answer]]:
            answers = threads.map(lambda attack: made(served.url, attack), some)
            return list(zip(some, answers, strict=True))

        done = fire(list(islice(attacks, WARM_UP)))
        warm = process.memory_info().rss
        slow = _slow(served)
        while some := list(islice(attacks, 500)):
            done += fire(some)
            assert served.to("safe").push(event("subscribe", at=1)).text == "success"
            print(f"{len(done):,}: {process.memory_info().rss:,} bytes")
    grown = process.memory_info().rss - warm

    _judge(done)
    genuine = {attack.message for attack, _ in done if attack.verdict == "taken"}
    # Each message once, however often somebody sent it.
    assert len(served.stored("safe")) == before + len(genuine) + 1
    assert grown < MOST_GROWTH_BYTES, f"{grown:,} bytes"
    until(lambda: all(_is_cut(one) for one in slow), 30, "every slow connection cut off")
    until(lambda: len(process.net_connections()) <= 2, 30, "every connection gone")
    assert "Traceback" not in served.process.output


def _judge(done: list[tuple[Attack, Answer]]) -> None:
    """Compare each answer with what may become of its request."""
    wrong = Counter(
        (attack.kind, answer.status, answer.body[:40])
        for attack, answer in done
        if not _is_right(attack, answer)
    )

    assert wrong == Counter()
    assert len({attack.kind for attack, _ in done}) == 15


def _is_right(attack: Attack, answer: Answer) -> bool:
    refused = answer.status in REFUSED and (answer.status != 403 or answer.body == b"refused\n")
    taken = answer.status == 200
    return {"taken": taken, "refused": refused, "either": taken or refused}[attack.verdict]


def _slow(served: Served) -> list[socket.socket]:
    """Open connections that send a little, and no more."""
    parts = urlsplit(served.url)
    opened = []
    for sent in (
        b"",
        b"POST /wechat/safe",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n<xml",
    ) * 10:
        one = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=240)
        one.sendall(sent)
        opened.append(one)
    return opened


def _is_cut(one: socket.socket) -> bool:
    try:
        one.settimeout(0.05)
        while one.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    one.close()
    return True
