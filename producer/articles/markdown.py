"""Markdown to the HTML of an article, with inline styles: WeChat keeps no other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from producer.articles import emphasis

_MARGIN: Final = "margin:0 0 16px"
_CODE: Final = "background-color:#f6f8fa;font-size:14px"
#: By tag. Readable on a phone, and no more: whoever wants another look writes HTML.
STYLES: Final = {
    "p": f"{_MARGIN};line-height:1.75",
    "h1": "margin:24px 0 16px;font-size:22px;font-weight:bold",
    "h2": "margin:24px 0 16px;font-size:20px;font-weight:bold",
    "h3": "margin:24px 0 16px;font-size:18px;font-weight:bold",
    "ul": f"{_MARGIN};padding-left:24px",
    "ol": f"{_MARGIN};padding-left:24px",
    "li": "line-height:1.75",
    "blockquote": f"{_MARGIN};padding:8px 16px;border-left:4px solid #ddd;color:#666",
    "pre": f"{_MARGIN};padding:12px;overflow-x:auto;{_CODE}",
    "code": _CODE,
    "hr": "margin:24px 0;border:0;border-top:1px solid #ddd",
    "table": f"{_MARGIN};border-collapse:collapse",
    "th": "padding:6px 12px;border:1px solid #ddd;font-weight:bold",
    "td": "padding:6px 12px;border:1px solid #ddd",
    "img": "max-width:100%",
}


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
    emphasis.use(parser)
    return parser


def _style(tokens: Sequence[Token]) -> None:
    for token in tokens:
        style = STYLES.get(token.tag)
        # A fence is drawn by its renderer as a <pre> with a <code> in it, which takes its style.
        if style is not None and token.nesting >= 0:
            own = token.attrGet("style")
            token.attrSet("style", f"{style};{own}" if own else style)
        _style(token.children or ())
