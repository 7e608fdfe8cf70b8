"""A list that is on its way is looked after until its last byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from broadcast.errors import DatabaseAwayError
from entrypoints.http import uploading
from entrypoints.http.problems import ProblemError
from models.ledger.submit import awaited_lists
from models.ledger.submit.awaited_lists import Awaited


async def _lists(work: Callable[..., object], *values: object) -> object:
    return work(*values)


CALLER: Any = SimpleNamespace(
    engine=None, threads=SimpleNamespace(lists=SimpleNamespace(run=_lists))
)


def _received(found: list[bytes]) -> list[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"1", b"2", b"3"):
            found.append(piece)
            yield piece

    async def take() -> list[bytes]:
        return [piece async for piece in uploading._expected(pieces(), CALLER, "one")]

    return asyncio.run(take())


@pytest.fixture
def cancelled_at(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What had come of a list when its broadcast was cancelled; each piece comes a minute later."""
    found: list[bytes] = []

    def of(_: object, broadcast_id: str) -> Awaited:
        return Awaited(
            broadcast_id=broadcast_id,
            account="main",
            key="k",
            request="{}",
            is_cancelled=len(found) == 2,
        )

    monkeypatch.setattr(uploading, "_EXPECT_EVERY_S", -1.0)
    monkeypatch.setattr(uploading, "the_broadcast", lambda *_: "main")
    monkeypatch.setattr(awaited_lists, "expect", lambda *_: None)
    monkeypatch.setattr(awaited_lists, "awaited_submission", of)
    return found


def test_the_upload_of_a_broadcast_that_was_cancelled_ends_before_its_last_byte(
    cancelled_at: list[bytes],
) -> None:
    with pytest.raises(ProblemError) as caught:
        _received(cancelled_at)

    assert (caught.value.status, caught.value.message.id) == (409, "error.submit.list_cancelled")
    assert caught.value.headers["Connection"] == "close"
    assert cancelled_at == [b"1", b"2"]


def test_with_the_database_away_the_list_comes_all_the_same(
    cancelled_at: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseAwayError("error.database.away", reason="refused")

    monkeypatch.setattr(awaited_lists, "expect", away)

    assert _received(cancelled_at) == [b"1", b"2", b"3"]
