"""What goes out of an article's HTML, what is refused, and which pictures stay."""

from __future__ import annotations

import pytest

from broadcast.errors import ArticleError
from producer.articles.cleaning import HTMLParts, clean, inspect_html

WECHATS = "http://mmbiz.qpic.cn/mmbiz_png/abc/0?wx_fmt=png"


def found(html: str) -> HTMLParts:
    return inspect_html(html, where="a.html")


def test_scripts_and_handlers_go_and_are_said() -> None:
    html = (
        '<p onclick="x()">a</p><script>alert(1)</script><iframe src="//e"></iframe>'
        "<script></script>"
    )

    assert found(html).removed == {"onclick": 1, "<script>": 2, "<iframe>": 1}
    assert clean(html, {}) == "<p>a</p>"


def test_a_page_around_the_article_is_no_loss() -> None:
    html = (
        "<html><head><title> 周报\n一</title><meta name='Author' content='运营'>"
        "<meta charset='utf-8'><link rel='x'></head><body><p>正文</p></body></html>"
    )

    told = found(html)

    assert (told.title.split(), told.metas, told.removed) == (
        ["周报", "一"],
        {"author": "运营"},
        {},
    )
    assert clean(html, {}) == "<p>正文</p>"


def test_local_pictures_are_found_once_and_replaced() -> None:
    html = f'<img alt="x>y" src="图/a b.png"><img src="图/a b.png"><img src="{WECHATS}">'

    assert found(html).files == ("图/a b.png",)
    cleaned = clean(html, {"图/a b.png": WECHATS + "1"})
    assert cleaned.count(WECHATS + "1") == 2
    assert cleaned.count("<img") == 3


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("http://example.com/a.png", "error.article.picture_elsewhere"),
        ("//example.com/a.png", "error.article.picture_elsewhere"),
        ("https://mmbiz.qpic.cn.example.com/a.png", "error.article.picture_elsewhere"),
        ("file:///etc/passwd", "error.article.picture_elsewhere"),
        ("data:image/png;base64,aaaa", "error.article.picture_inside"),
        ("", "error.article.picture_without_file"),
    ],
)
def test_a_picture_that_no_follower_would_see_is_refused(source: str, error: str) -> None:
    with pytest.raises(ArticleError) as told:
        found(f'<p><img src="{source}"></p>')
    assert told.value.message_id == error


@pytest.mark.parametrize(
    "html",
    [
        '<img src="http://example.com/a.png">',
        '<img/src="http://example.com/a.png">',
        '<svg><image href="http://example.com/a.png"/></svg>',
        '<p style="background-image:url(http://example.com/a.png)">a</p>',
        '<a href="javascript:alert(1)">a</a>',
        "<p style='position:fixed;color:red'>a</p>",
        "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
    ],
)
def test_what_nobody_found_is_taken_out_all_the_same(html: str) -> None:
    cleaned = clean(html, {})
    for word in ("example.com", "javascript", "position", "onerror", "alert"):
        assert word not in cleaned


def test_late_loaded_pictures_keep_wechats_address() -> None:
    assert WECHATS in clean(f'<img data-src="{WECHATS}">', {})
