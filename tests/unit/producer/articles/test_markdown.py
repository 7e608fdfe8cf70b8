"""Markdown as people write it in Chinese, and the HTML that WeChat keeps."""

from __future__ import annotations

import re
import time

import pytest

from producer.articles.markdown import first_heading, render


def bare(text: str) -> str:
    """Return the HTML of one line without styles."""
    return re.sub(r' style="[^"]*"', "", render(text)).strip()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**注意：**请准时", "<strong>注意：</strong>请准时"),
        ("请看**《通知》**全文", "请看<strong>《通知》</strong>全文"),
        ("**周五（20:00）**开始", "<strong>周五（20:00）</strong>开始"),
        ("*重点。*下一句", "<em>重点。</em>下一句"),
        ("中文**粗体**中文", "中文<strong>粗体</strong>中文"),
        ("**Note:** please", "<strong>Note:</strong> please"),
        # As CommonMark has it: no emphasis.
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("snake_case_name", "snake_case_name"),
        ('a*"foo"*', "a*&quot;foo&quot;*"),
        ("** bold **", "** bold **"),
        ("***both*** ok", "<em><strong>both</strong></em> ok"),
    ],
)
def test_emphasis_is_what_a_chinese_reader_expects(text: str, html: str) -> None:
    assert bare(text) == f"<p>{html}</p>"


def test_html_in_markdown_is_shown_and_not_run() -> None:
    assert "<script" not in render("a <script>alert(1)</script>")


def test_what_is_drawn_has_inline_styles() -> None:
    html = render("# 一\n\n正文\n\n![图](a.png)\n\n| a |\n| :-: |\n| b |\n\n~~旧~~")

    for tag in ("h1", "p", "img", "table", "th", "td"):
        assert re.search(rf"<{tag}\b[^>]* style=", html), tag
    assert "text-align:center" in html
    assert "<s>旧</s>" in html


def test_the_first_heading_is_the_title_and_not_the_text() -> None:
    assert first_heading("\n# 周报 #\n\n正文") == ("周报", "\n正文")
    assert first_heading("正文\n# 周报") == ("", "正文\n# 周报")


def test_hostile_nesting_takes_no_time() -> None:
    begun = time.monotonic()
    render("*" * 20_000 + "[" * 5_000 + ">" * 2_000)
    assert time.monotonic() - begun < 60
