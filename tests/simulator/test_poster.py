from __future__ import annotations

import asyncio
import queue
import threading
from http.client import HTTPConnection

import pytest

from simulator.core.poster import Outcome, Post, Poster
from tests.simulator.receiver import Receiver


def post_to(url: str) -> Post:
    return Post(url=url, query={}, body=b"<xml></xml>", timeout_s=20)


def test_too_many_waiting_posts_are_refused() -> None:
    """One thread is busy with a receiver that says nothing, two wait, the fourth is too many."""

    async def story(receiver: Receiver) -> None:
        poster, outcomes = Poster(threads=1, capacity=2), list[Outcome]()
        poster.post(post_to(receiver.url), outcomes.append)
        await asyncio.to_thread(receiver.wait, 1)
        for _ in range(2):
            poster.post(post_to(receiver.url), outcomes.append)
        with pytest.raises(queue.Full):
            poster.post(post_to(receiver.url), outcomes.append)
        poster.stop()
        assert poster.join(60), "the thread ends although its receiver says nothing"
        await asyncio.sleep(0)
        assert (outcomes, len(receiver.received)) == ([], 1)

    with Receiver(None) as receiver:
        asyncio.run(story(receiver))


def test_a_post_that_is_still_connecting_is_cut_too(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting, stopped = threading.Event(), threading.Event()
    connect = HTTPConnection.connect

    def slow(connection: HTTPConnection) -> None:
        connecting.set()
        stopped.wait(60)
        connect(connection)

    async def story(receiver: Receiver) -> None:
        poster = Poster(threads=1)
        poster.post(post_to(receiver.url), lambda _outcome: None)
        await asyncio.to_thread(connecting.wait, 10)
        poster.stop()
        stopped.set()
        assert poster.join(60), "the thread ends although its receiver says nothing"

    monkeypatch.setattr(HTTPConnection, "connect", slow)
    with Receiver(None) as receiver:
        asyncio.run(story(receiver))
        assert receiver.received == []


def test_a_silent_receiver_does_not_hold_up_the_others() -> None:
    async def story(silent: Receiver, quick: Receiver) -> None:
        poster, answered = Poster(threads=2), asyncio.Event()
        poster.post(post_to(silent.url), lambda _outcome: None)
        poster.post(post_to(quick.url), lambda _outcome: answered.set())
        await asyncio.wait_for(answered.wait(), 10)
        poster.stop()
        assert poster.join(60)

    with Receiver(None) as silent, Receiver() as quick:
        asyncio.run(story(silent, quick))
