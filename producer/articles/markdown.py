"""Markdown to the HTML of an article, with inline styles: WeChat keeps no other."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import isPunctChar, isWhiteSpace
from markdown_it.rules_inline.state_inline import Delimiter, StateInline
from markdown_it.token import Token

from broadcast.data_files import parsed
from broadcast.errors import ArticleError

#: By tag. Readable on a phone, and no more: whoever wants another look writes HTML.
STYLES: Final[dict[str, str]] = parsed(__file__, "article_styles.json")


def render(text: str) -> str:
    """Return the HTML of a text in Markdown. HTML in it is shown as it is written."""
    parser = _parser()
    tokens = parser.parse(text)
    _style(tokens)
    return str(parser.renderer.render(tokens, parser.options, {}))


def first_heading(text: str) -> tuple[str, str]:
    """Return the first line as a title if it is a heading, and the rest; else no title."""
    first, _, rest = text.lstrip().partition("\n")
    if first.startswith("# "):
        return first[2:].strip().rstrip("#").strip(), rest
    return "", text


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    use_emphasis(parser)
    return parser


def _style(tokens: Sequence[Token]) -> None:
    for token in tokens:
        style = STYLES.get(token.tag)
        # A fence is drawn by its renderer as a <pre> with a <code> in it, which takes its style.
        if style is not None and token.nesting >= 0:
            own = token.attrGet("style")
            token.attrSet("style", f"{style};{own}" if own else style)
        _style(token.children or ())


_MARKS = ("*", "_")
#: Wide and fullwidth characters: East Asian writing, with its punctuation.
_WIDE = frozenset({"W", "F"})


def use_emphasis(parser: MarkdownIt) -> None:
    """Add this rule of emphasis to *parser*."""
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
                marker=ord(marker),
                length=length,
                token=len(state.tokens) - 1,
                end=-1,
                open=can_open,
                close=can_close,
            )
        )
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


FENCE: Final = "---"
#: What may stand there.
KEYS: Final = ("title", "author", "digest", "cover", "source_url", "comments")


def split_front_matter(text: str, *, where: str) -> tuple[Mapping[str, str], str]:
    """Return the fields and the text behind them. Raises ArticleError naming a wrong line."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != FENCE:
        return {}, text
    ends = [n for n, line in enumerate(lines[1:], start=1) if line.strip() == FENCE]
    if not ends:
        raise ArticleError("error.article.front_matter_open", where=where)
    fields: dict[str, str] = {}
    for n, line in enumerate(lines[1 : ends[0]], start=2):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or name not in KEYS or name in fields:
            raise ArticleError(
                "error.article.front_matter", where=where, line=n, known=", ".join(KEYS)
            )
        fields[name] = _unquoted(value.strip())
    return fields, "\n".join(lines[ends[0] + 1 :])


def _unquoted(value: str) -> str:
    for quote in ('"', "'"):
        if len(value) > 1 and value.startswith(quote) and value.endswith(quote):
            return value[1:-1]
    return value
