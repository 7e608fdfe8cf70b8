"""The watchdog shuts what is late, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from broadcast.wechat.deadline import Exchange, Timeouts, Watchdog
from tests.kit import wait

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def exchange(total_s: float) -> Exchange:
    return Exchange(Timeouts(total_s=total_s))


def test_a_late_call_is_shut_while_it_reads(pair: Pair) -> None:
    late = exchange(0.1)
    late.attach(pair[0])
    Watchdog().watch(late)
    pair[0].settimeout(10)
    assert pair[0].recv(1) == b""
    assert late.expired
    late.finish()


def test_a_finished_call_is_left_alone(pair: Pair) -> None:
    done = exchange(60)
    done.attach(pair[0])
    done.finish()
    done.expire()
    assert not done.expired
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def test_a_connection_that_comes_too_late_is_not_used(pair: Pair) -> None:
    late = exchange(60)
    late.expire()
    with pytest.raises(TimeoutError):
        late.attach(pair[0])
    late.finish()


def test_an_earlier_deadline_wakes_the_watchdog(pair: Pair) -> None:
    watchdog, slow, quick = Watchdog(), exchange(60), exchange(0.1)
    watchdog.watch(slow)
    watchdog.watch(quick)
    wait.until(lambda: quick.expired, 5, "the earlier deadline")
    assert not slow.expired
    watchdog.unwatch(slow)


def test_a_call_that_is_unwatched_never_expires(pair: Pair) -> None:
    watchdog, first, second = Watchdog(), exchange(0.1), exchange(0.2)
    watchdog.watch(first)
    watchdog.watch(second)
    watchdog.unwatch(first)
    wait.until(lambda: second.expired, 5, "the other call")
    assert not first.expired


def test_one_thread_watches_all_and_ends_with_them() -> None:
    watchdog, calls = Watchdog(), [exchange(0.2) for _ in range(50)]
    before = set(threading.enumerate())
    for each in calls:
        watchdog.watch(each)
    (thread,) = set(threading.enumerate()) - before
    thread.join(5)
    assert not thread.is_alive()
    assert all(each.expired for each in calls)
