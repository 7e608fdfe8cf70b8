"""Each bad message is kept once, closed once, and forgotten long after that; on three databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.errors import InputError, UnknownIdError
from broadcast.message import Message
from broadcast.rules import dead_letters as letters
from broadcast.rules.dead_letters import KeptLetter, Letter, LetterSource, LetterState
from models.ledger.boxes import dead_letters as reading
from models.ledger.rows import transaction
from tests.kit import ledger

REASON = Message("error.request.missing", field="key")
LETTER = Letter(
    source=LetterSource.CELERY, body='{"title": "退订 😀"}', reason=REASON, key="k", account="shop"
)


def listed(engine: Engine, *, state: LetterState | None = None) -> list[KeptLetter]:
    return list(reading.newest(engine, state=state, most=50))


def test_a_letter_is_kept_with_all_that_it_said(engine: Engine) -> None:
    letter_id = reading.store_letter(engine, LETTER)

    one, body = reading.letter_named(engine, letter_id[-6:].upper())
    assert (one.id, one.state, one.times, one.is_cut) == (letter_id, LetterState.DEAD, 1, False)
    assert (one.key, one.account, one.reason) == ("k", "shop", REASON)
    assert (body, one.first_at, one.closed_by) == (LETTER.body, one.last_at, None)
    assert reading.count(engine) == 1


def test_the_same_body_is_one_letter_however_often_and_wherever_it_comes(engine: Engine) -> None:
    later = replace(LETTER, reason=Message("error.key.empty"))
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda _: reading.store_letter(engine, LETTER), range(24)))
    ids.add(reading.store_letter(engine, later))

    (one,) = listed(engine)
    assert ids == {one.id}
    assert (one.times, one.reason) == (25, later.reason)
    assert reading.store_letter(engine, replace(LETTER, body="{}")) != one.id


@pytest.mark.every_database
def test_a_letter_is_closed_once_and_is_dead_again_when_it_comes_again(engine: Engine) -> None:
    letter_id = reading.store_letter(engine, LETTER)
    reading.mark_sent(engine, letter_id, "20261127-abcdef", who="cli:ann@desk")
    assert not reading.drop(engine, letter_id, who="cli:bob@desk")
    reading.mark_refused_again(engine, letter_id, Message("error.key.empty"))

    (one,) = listed(engine)
    assert (one.state, one.broadcast_id, one.reason) == (
        LetterState.SENT,
        "20261127-abcdef",
        REASON,
    )
    assert (one.closed_by, one.closed_at is None) == ("cli:ann@desk", False)
    assert (reading.count(engine), listed(engine, state=LetterState.DEAD)) == (0, [])

    assert reading.store_letter(engine, LETTER) == letter_id
    (one,) = listed(engine, state=LetterState.DEAD)
    assert (one.times, one.broadcast_id, one.closed_by, one.closed_at) == (2, None, None, None)
    reading.mark_refused_again(engine, letter_id, Message("error.key.empty"))
    assert listed(engine)[0].reason == Message("error.key.empty")
    assert reading.drop(engine, letter_id, who="cli:bob@desk")


@pytest.mark.every_database
def test_a_letter_that_was_sent_meanwhile_is_closed_while_it_waits_and_not_after(
    engine: Engine,
) -> None:
    waiting = reading.store_letter(engine, LETTER)
    dropped = reading.store_letter(engine, replace(LETTER, body="{}"))
    reading.drop(engine, dropped, who="cli:bob@desk")

    for one in (waiting, dropped):
        reading.mark_found_sent(engine, one, "20261127-abcdef")

    assert {one.id: (one.state, one.broadcast_id, one.closed_by) for one in listed(engine)} == {
        waiting: (LetterState.SENT, "20261127-abcdef", None),
        dropped: (LetterState.DROPPED, None, "cli:bob@desk"),
    }


def test_a_refusal_that_comes_after_the_send_does_not_make_a_letter_wait_again(
    engine: Engine,
) -> None:
    letter_id = reading.store_letter(engine, LETTER)
    broadcast_id = ledger.published(engine, ledger.body(key="k", owner=ledger.account("shop")))
    reading.mark_sent(engine, letter_id, broadcast_id, who="cli:ann@desk")

    # A worker that looked for the key before that.
    assert reading.store_letter(engine, LETTER) == letter_id

    (one,) = listed(engine)
    assert (one.state, one.broadcast_id, one.times) == (LetterState.SENT, broadcast_id, 2)
    assert one.closed_by == "cli:ann@desk"


@pytest.mark.parametrize(
    ("values", "looked_at"),
    [
        ({"reason": Message("error.request.notify_unsigned")}, True),
        ({"reason": Message("error.dead.failed"), "account": None}, True),
        ({"reason": REASON}, False),
        ({"reason": Message("error.submit.key_taken")}, False),
        ({"reason": Message("error.dead.failed"), "account": "other"}, False),
        ({"reason": Message("error.dead.failed"), "key": "K"}, False),
    ],
)
def test_a_letter_may_have_been_sent_if_its_key_was_used_and_its_reason_allows_it(
    engine: Engine, values: dict[str, Any], looked_at: bool
) -> None:
    letter_id = reading.store_letter(engine, replace(LETTER, **values))
    assert reading.possibly_sent(engine) == []

    for name in ("shop", "news"):
        ledger.published(engine, ledger.body(key="k", owner=ledger.account(name)))

    assert list(reading.possibly_sent(engine)) == [letter_id] * looked_at


@pytest.mark.parametrize(
    ("values", "field", "kept"),
    [
        ({"body": "a\0b\ud800c"}, "body", r"a\x00b\ud800c"),
        ({"key": "k" * 129}, "key", None),
        ({"key": "a\nb"}, "key", None),
        ({"key": "\ud800"}, "key", None),
        ({"account": "a" * 65}, "account", None),
        ({"account": "店" * 64}, "account", "店" * 64),
    ],
)
def test_what_no_database_takes_is_written_out_or_left_out(
    engine: Engine, values: dict[str, Any], field: str, kept: str | None
) -> None:
    letter_id = reading.store_letter(engine, replace(LETTER, **values))

    one, body = reading.letter_named(engine, letter_id)
    assert (body if field == "body" else getattr(one, field)) == kept
    assert reading.store_letter(engine, replace(LETTER, **values)) == letter_id


def test_a_long_body_is_cut_and_another_that_begins_alike_is_another_letter(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "MOST_CHARACTERS", 10)
    ids = [reading.store_letter(engine, replace(LETTER, body="好" * n)) for n in (10, 11, 12)]

    kept = [reading.letter_named(engine, each) for each in ids]
    assert [body for _, body in kept] == ["好" * 10] * 3
    assert [one.is_cut for one, _ in kept] == [False, True, True]
    assert len(set(ids)) == 3


def test_the_longest_body_that_is_kept_is_kept_whole(engine: Engine) -> None:
    body = "😀" * letters.MOST_CHARACTERS

    assert (
        reading.letter_named(engine, reading.store_letter(engine, replace(LETTER, body=body)))[1]
        == body
    )


def test_letters_are_forgotten_long_after_they_were_closed(engine: Engine) -> None:
    kept = [reading.store_letter(engine, replace(LETTER, body=str(n))) for n in range(4)]
    reading.drop(engine, kept[0], who="ann")
    reading.mark_sent(engine, kept[1], "20261127-abcdef", who="ann")
    ledger.pass_time(engine, transaction.KEPT_FOR + timedelta(hours=1))
    reading.drop(engine, kept[2], who="ann")

    assert (reading.forget(engine), reading.forget(engine)) == (2, 0)
    assert {one.id for one in listed(engine)} == {*kept[2:]}


def test_the_newest_stand_first_and_no_more_than_asked_for(engine: Engine) -> None:
    for n in range(5):
        reading.store_letter(engine, replace(LETTER, body=str(n)))

    found = listed(engine)
    assert [one.last_at for one in found] == sorted((one.last_at for one in found), reverse=True)
    assert list(reading.newest(engine, state=LetterState.DEAD, most=2)) == found[:2]

    again = reading.store_letter(engine, replace(LETTER, body="0"))
    assert listed(engine)[0].id == again


def test_an_id_that_is_none_or_several_names_what_is_near(engine: Engine) -> None:
    one, _ = (reading.store_letter(engine, replace(LETTER, body=str(n))) for n in range(2))

    with pytest.raises(InputError, match=r"error.dead.several"):
        reading.letter_named(engine, "dead-")
    with pytest.raises(UnknownIdError, match=one):
        reading.letter_named(engine, one[:-1] + "0")
    with pytest.raises(UnknownIdError, match=r"error.dead.unknown \("):
        reading.letter_named(engine, "x%zz")
    reading.drop(engine, one, who="ann")
    with pytest.raises(InputError):
        reading.letter_named(engine, one[-3:])
    assert reading.letter_named(engine, one[-4:])[0].id == one


@pytest.mark.parametrize("part", [slice(0, 4), slice(0, 13), slice(0, 16), slice(5, 13)])
def test_what_all_ids_share_names_none_even_if_there_is_one(engine: Engine, part: slice) -> None:
    only = reading.store_letter(engine, LETTER)

    with pytest.raises(UnknownIdError, match=only):
        reading.letter_named(engine, only[part])
    assert reading.letter_named(engine, only[:18].upper())[0].id == only


@pytest.mark.every_database
def test_a_letter_that_is_being_tried_is_neither_dropped_nor_tried_by_another(
    engine: Engine,
) -> None:
    letter_id = reading.store_letter(engine, LETTER)
    assert reading.reserve_letter(engine, letter_id)

    assert not reading.reserve_letter(engine, letter_id)
    assert not reading.drop(engine, letter_id, who="cli:bob@desk")
    assert listed(engine)[0].state is LetterState.DEAD

    reading.release_letter(engine, letter_id)
    assert reading.drop(engine, letter_id, who="cli:bob@desk")
    assert not reading.reserve_letter(engine, letter_id)


def test_a_try_that_died_keeps_its_letter_for_a_while_and_what_was_sent_counts(
    engine: Engine,
) -> None:
    letter_id = reading.store_letter(engine, LETTER)
    assert reading.reserve_letter(engine, letter_id)
    ledger.pass_time(engine, reading.TRIED_FOR + timedelta(seconds=1))
    assert reading.drop(engine, letter_id, who="cli:bob@desk")

    # It lives after all.
    reading.mark_sent(engine, letter_id, "20261127-abcdef", who="cli:ann@desk")

    (one,) = listed(engine)
    assert (one.state, one.broadcast_id, one.closed_by) == (
        LetterState.SENT,
        "20261127-abcdef",
        "cli:ann@desk",
    )


@pytest.mark.every_database
@pytest.mark.parametrize("bound", ["MOST_OPEN", "MOST_OPEN_CHARACTERS"])
def test_where_too_many_wait_a_further_one_is_counted_by_its_reason(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, bound: str
) -> None:
    def keep(n: int, reason: Message = REASON) -> str:
        body = f"{n}{'x' * (99 if n < 3 else 9_999)}"
        return reading.store_letter(engine, replace(LETTER, body=body, key=f"k{n}", reason=reason))

    monkeypatch.setattr(letters, bound, {"MOST_OPEN": 2, "MOST_OPEN_CHARACTERS": 200}[bound])
    whole = [keep(1), keep(2)]
    assert (reading.is_full(engine), caplog.records) == (True, [])

    many = {keep(n) for n in range(3, 9)}
    other = keep(9, Message("error.key.empty"))

    assert (len(many), len({*many, *whole, other})) == (1, 4)
    one, body = reading.letter_named(engine, many.pop())
    assert (one.times, one.key, one.account, one.is_cut) == (6, None, None, True)
    assert (body[:2], len(body)) == ("3x", letters.BEGINNING)
    assert one.reason == Message("error.dead.full", problem=REASON)
    assert len(caplog.records) == 7
    # What came before is still known by its body; what comes after there is room is kept whole.
    assert keep(1) == whole[0]
    for letter in (*whole, one.id, other):
        assert reading.drop(engine, letter, who="cli:ann@desk")
    assert not reading.is_full(engine)
    kept, body = reading.letter_named(engine, keep(10))
    assert (kept.key, kept.is_cut, len(body)) == ("k10", False, 10_001)
