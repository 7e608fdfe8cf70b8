"""A text of characters that nobody sees is blank; one of them beside a letter is none."""

from __future__ import annotations

import pytest

from broadcast.quoting import is_blank

UNSEEN = [
    "",
    " ",
    "\n\t",
    "\u3000",
    "\u00a0",
    "\u200b",
    "\u200d\u200c",
    "\ufeff",
    "\u2060",
    "\u00ad",
    "\u3164",
    "\uffa0",
    "\u115f\u1160",
    "\u2800",
    "\ufe0f",
    "\u034f",
    "\u180e",
    "\u180b",
    "\u061c",
    "\U000e0041",
    "\U000e0100",
    "\u2028\u2029",
    "\u202e\u202c",
    " \u200b \n\ufeff ",
]


@pytest.mark.parametrize("text", UNSEEN)
def test_text_that_nobody_sees_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "seen", ["a", "好", ".", "0", "👍", "👩‍👩‍👧", "❤️", "ㅎ", "é", "ـ", "⠁", "\ufffd"]
)
def test_text_of_which_one_character_is_seen_is_not(seen: str) -> None:
    assert not is_blank(seen)
    assert not is_blank(f"\u200b{seen}\ufe0f")
