"""Emphasis in Chinese text.

CommonMark knows an opening mark from a closing one by the blanks and punctuation around it, and
Chinese has no blanks: in ``**注意：**请准时`` the second mark would close nothing, and the reader
would see asterisks. Here a Chinese, Japanese or Korean character beside a mark counts as a blank.
"""

from __future__ import annotations

import unicodedata

from markdown_it import MarkdownIt
from markdown_it.common.utils import isPunctChar, isWhiteSpace
from markdown_it.rules_inline.state_inline import Delimiter, StateInline

_MARKS = ("*", "_")
#: Wide and fullwidth characters: East Asian writing, with its punctuation.
_WIDE = frozenset({"W", "F"})


def use(parser: MarkdownIt) -> None:
    """Let *parser* find emphasis so."""
    parser.inline.ruler.at("emphasis", _tokenize)


def _tokenize(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the parser's own form
    """Add each mark as a text, and to the list of delimiters, as the parser's own rule does."""
    marker = state.src[state.pos]
    if silent or marker not in _MARKS:
        return False
    length = _length(state, marker)
    can_open, can_close = _sides(state, marker, length)
    for _ in range(length):
        token = state.push("text", "", 0)
        token.content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker), length=length, token=len(state.tokens) - 1, end=-1,
                open=can_open, close=can_close,
            )
        )  # fmt: skip
    state.pos += length
    return True


def _length(state: StateInline, marker: str) -> int:
    end = state.pos
    while end < state.posMax and state.src[end] == marker:
        end += 1
    return end - state.pos


def _sides(state: StateInline, marker: str, length: int) -> tuple[bool, bool]:
    """Return whether marks may open, and whether they may close."""
    start, end = state.pos, state.pos + length
    before = state.src[start - 1] if start > 0 else " "
    after = state.src[end] if end < state.posMax else " "
    left = not _is_blank(after) and (not _is_mark(after) or _ends_word(before))
    right = not _is_blank(before) and (not _is_mark(before) or _ends_word(after))
    if marker == "*":
        return left, right
    # Inside a word an underscore is part of it.
    return left and (not right or _is_mark(before)), right and (not left or _is_mark(after))


def _ends_word(char: str) -> bool:
    return _is_blank(char) or _is_mark(char) or unicodedata.east_asian_width(char) in _WIDE


def _is_blank(char: str) -> bool:
    return isWhiteSpace(ord(char))


def _is_mark(char: str) -> bool:
    return isPunctChar(char)
