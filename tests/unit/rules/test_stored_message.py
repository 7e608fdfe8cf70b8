"""A message that a row keeps comes back as it was, in any language; what is none says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from broadcast import stored_message
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.states import BatchState

AT = datetime(2026, 11, 27, 8, 30, 5, 120, tzinfo=UTC)


def test_a_message_comes_back_with_its_facts() -> None:
    inner = Message("request.reason.least", n=2)
    kept = Message(
        "error.x",
        n=3,
        none=None,
        yes=True,
        at=AT,
        span=timedelta(hours=2),
        inner=inner,
        each=[1, inner, "好\0\ud800"],
        share=0.5,
        month=date(2026, 12, 1),
    )

    text = stored_message.stored(kept)

    assert text.isascii()
    assert stored_message.parse(text) == kept


def test_what_json_does_not_have_is_kept_as_a_message_or_as_text() -> None:
    kept = Message(
        "error.x",
        problem=InputError("error.y", n=1),
        state=BatchState.ACCEPTED,
        long="x" * 9_999,
        pair=(1, 2),
        other=object,
    )

    facts = stored_message.parse(stored_message.stored(kept)).facts

    assert facts["problem"] == Message("error.y", n=1)
    assert (facts["state"], facts["pair"]) == ("accepted", [1, 2])
    assert (len(str(facts["long"])), facts["other"]) == (500, "<class 'object'>")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "3",
        "null",
        '"error.x"',
        "{}",
        '{"id": 1, "facts": {}}',
        '{"id": "x", "facts": []}',
        '{"id": "x", "facts": {"a": {"b": 1}}}',
        '{"id": "x", "facts": {"a": {"moment": "tomorrow"}}}',
        '{"id": "x", "facts": {"a": {"day": "2026-13-01"}}}',
        '{"id": "x", "facts": {"a": {"seconds": "1"}}}',
        '{"id": "x", "facts": {"a": {"seconds": 1e300}}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_message_is_one_that_says_so(text: str) -> None:
    assert stored_message.parse(text) == stored_message.UNREADABLE
