"""Articles from files: what each form says, and what is wrong with a bad one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broadcast.errors import ArticleError
from broadcast.rules.drafts import MOST_CHARACTERS, Comments, Written, check_articles, check_content
from broadcast.views.texts import Texts
from producer.articles.article_files import illustrated, read_article
from tests.kit import media

MEDIA_ID = "m" * 43
WHOLE = {
    "title": "周报",
    "author": "运营",
    "digest": "本周",
    "content": "<p>正文</p>",
    "content_source_url": "https://example.com",
    "cover": "cover.jpg",
    "need_open_comment": 1,
}


def refused(path: Path) -> ArticleError:
    with pytest.raises(ArticleError) as told:
        check_articles(read_article(path), where=path.name)
    return told.value


def described(folder: Path, value: object) -> Path:
    file = folder / "article.json"
    file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return file


def test_markdown_has_its_fields_in_front_of_it(tmp_path: Path) -> None:
    file = tmp_path / "weekly.md"
    file.write_text(
        "---\ntitle: '周报：一'\nauthor: 运营\n# a comment\ncover: 图/c.jpg\n"
        "comments: followers\n---\n正文",
        encoding="utf-8-sig",
    )

    (one,) = read_article(file)

    assert (one.title, one.author, one.cover) == ("周报：一", "运营", "图/c.jpg")
    assert (one.comments, one.folder, one.where) == (Comments.FOLLOWERS, tmp_path, "weekly.md")
    assert "正文" in one.html


def test_markdown_without_fields_is_called_by_its_first_heading(tmp_path: Path) -> None:
    file = tmp_path / "weekly.md"
    file.write_text("# 周报\n\n正文", encoding="utf-8")

    (one,) = read_article(file)

    assert one.title == "周报"
    assert "周报" not in one.html


def test_html_says_its_fields_in_its_head(tmp_path: Path) -> None:
    file = tmp_path / "weekly.html"
    file.write_text(
        "<title>周报</title><meta name=description content=本周><p>正文</p>", encoding="utf-8"
    )

    (one,) = read_article(file)

    assert (one.title, one.digest) == ("周报", "本周")


def test_json_has_wechats_own_keys_and_files(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("**乙：**正文", encoding="utf-8")
    second = {"title": "乙", "content_file": "b.md", "thumb_media_id": "T1"}
    described(tmp_path, {"articles": [WHOLE, second]})

    first, other = read_article(tmp_path)

    assert (first.source_url, first.comments) == ("https://example.com", Comments.ALL)
    assert (first.html, first.cover) == ("<p>正文</p>", "cover.jpg")
    assert (other.cover, other.where) == ("T1", "article.json: articles.1")
    assert "<strong>乙：</strong>" in other.html


@pytest.mark.parametrize(
    ("changes", "error", "fact"),
    [
        ({"heading": "x"}, "error.article.unknown_key", ("key", "heading")),
        ({"title": 1}, "error.article.no_text", ("key", "title")),
        ({"need_open_comment": 2}, "error.article.no_flag", ("key", "need_open_comment")),
        ({"article_type": "newspic"}, "error.article.type", ("where", "article.json")),
        ({"thumb_media_id": "T"}, "error.article.two_covers", ("where", "article.json")),
        ({"content_file": "a.md"}, "error.article.one_content", ("where", "article.json")),
        ({"title": "长" * 33}, "error.article.too_long", ("length", 33)),
        ({"author": "长" * 17}, "error.article.too_long", ("field", "author")),
        ({"digest": "长" * 129}, "error.article.too_long", ("most", 128)),
        ({"title": " "}, "error.article.no_title", ("where", "article.json")),
        ({"cover": ""}, "error.article.no_cover", ("where", "article.json")),
        ({"content": " "}, "error.article.empty", ("where", "article.json")),
        ({"content_source_url": "ftp://x"}, "error.article.source_url", ("where", "article.json")),
    ],
)
def test_what_is_wrong_with_an_article_is_named(
    tmp_path: Path, changes: dict[str, Any], error: str, fact: tuple[str, object]
) -> None:
    told = refused(described(tmp_path, WHOLE | changes))

    assert told.message_id == error
    assert told.facts[fact[0]] == fact[1]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([], "error.article.no_object"),
        ({"articles": {}}, "error.article.no_list"),
        ({"articles": [], "account": "x"}, "error.article.unknown_key"),
        ({"articles": []}, "error.article.count"),
        ({"articles": [WHOLE] * 9}, "error.article.count"),
        ({"articles": [WHOLE, 1]}, "error.article.no_object"),
    ],
)
def test_json_that_is_no_draft_is_refused(tmp_path: Path, value: object, error: str) -> None:
    assert refused(described(tmp_path, value)).message_id == error


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.json", b"{", "error.article.json"),
        ("a.json", b"[" * 100_000, "error.article.json"),
        ("a.md", "周报".encode("gb18030"), "error.article.encoding"),
        ("a.txt", b"text", "error.article.kind"),
        ("a.md", b"---\ntitle: x\n", "error.article.front_matter_open"),
        ("a.md", b"---\nheading: x\n---\n", "error.article.front_matter"),
        ("a.md", b"---\ntitle: x\ncomments: some\n---\n", "error.article.comments"),
    ],
)
def test_a_file_that_is_no_article_is_refused(
    tmp_path: Path, name: str, data: bytes, error: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert refused(tmp_path / name).message_id == error


def test_a_folder_has_one_file_or_says_what_it_has(tmp_path: Path) -> None:
    assert refused(tmp_path).message_id == "error.article.empty_folder"
    assert refused(tmp_path / "missing.md").message_id == "error.article.file"
    for name in ("a.md", "b.html"):
        (tmp_path / name).write_text("# a")
    assert refused(tmp_path).facts["names"] == "a.md, b.html"


def test_a_content_must_be_shorter_than_wechat_takes() -> None:
    check_content("长" * (MOST_CHARACTERS - 1), where="a.md")
    with pytest.raises(ArticleError):
        check_content("长" * MOST_CHARACTERS, where="a.md")


def test_a_whole_article_passes(tmp_path: Path) -> None:
    one = Written(where="a", folder=tmp_path, title="周" * 32, cover="c", html="<p>a</p>")
    check_articles([one, replace(one, author="运" * 16, digest="本" * 128)], where="a")


@pytest.mark.parametrize(
    ("source", "cover", "says"),
    [
        ("the%20hall.png", MEDIA_ID, "week.md: the picture the hall.png is not in the folder"),
        ("hall.png", "front.jpg", "week.md: the cover front.jpg is no file in the folder"),
    ],
)
def test_a_picture_that_is_not_there_is_named_with_its_article(
    tmp_path: Path, source: str, cover: str, says: str
) -> None:
    (tmp_path / "hall.png").write_bytes(media.picture("PNG"))
    html = f'<p><img src="{source}"></p>'
    one = Written(where="week.md", folder=tmp_path, title="周报", html=html, cover=cover)

    with pytest.raises(ArticleError) as caught:
        illustrated([one])

    told = Texts("en")(caught.value)
    assert told.startswith(says)
    assert "id:" not in told


@pytest.mark.parametrize(
    "name", ["../private.jpg", "/etc/hostname", "link.jpg", "%2e%2e/private.jpg"]
)
def test_an_article_takes_no_file_along_that_does_not_lie_beside_it(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "weekly"
    folder.mkdir()
    (tmp_path / "private.jpg").write_bytes(b"private")
    (folder / "link.jpg").symlink_to(tmp_path / "private.jpg")
    picture = Written(
        where="a.md", folder=folder, title="周报", html=f'<p><img src="{name}"></p>', cover=MEDIA_ID
    )

    with pytest.raises(ArticleError) as of_picture:
        illustrated([picture])

    assert of_picture.value.message_id == "error.article.outside"
    if "%" not in name:
        assert (
            refused(described(folder, WHOLE | {"cover": name})).message_id
            == "error.article.outside"
        )
        text = {key: value for key, value in WHOLE.items() if key != "content"}
        told = refused(described(folder, text | {"content_file": name}))
        assert told.message_id == "error.article.outside"
