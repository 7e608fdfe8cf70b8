from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.errors import ContentError
from broadcast.rules import content
from broadcast.rules.content import preview
from broadcast.views.texts import LANGUAGES, Language, Texts
from broadcast.wechat.api.mass import MassSend
from entrypoints.cli import content_options

LIMIT = 600


def refusal(value: object) -> str:
    with pytest.raises(ContentError) as caught:
        content.of_object(value, limit=LIMIT)
    return caught.value.message_id


def test_a_text_becomes_the_object_of_mass_send_as_written() -> None:
    made = content.of_text('您好 <a href="x">&</a> 😀', limit=LIMIT)

    assert made.canonical == (
        '{"msgtype":"text","text":{"content":"您好 <a href=\\"x\\">&</a> 😀"}}'
    )
    assert made.notices == ()


def test_the_order_of_keys_does_not_change_the_digest() -> None:
    one = content.of_object({"msgtype": "voice", "voice": {"media_id": "V"}}, limit=LIMIT)
    two = content.of_object({"voice": {"media_id": "V"}, "msgtype": "voice"}, limit=LIMIT)

    assert one.digest == two.digest


def test_a_flag_that_is_0_is_sent_as_written_and_does_not_change_the_digest() -> None:
    plain = {"msgtype": "mpnews", "mpnews": {"media_id": "D"}}
    without = content.of_object(plain, limit=LIMIT)
    written = content.of_object({**plain, "send_ignore_reprint": 0}, limit=LIMIT)

    assert without.digest == hashlib.sha256(without.canonical.encode()).hexdigest()
    assert written.digest == without.digest
    assert written.canonical != without.canonical
    said = content.of_object({**plain, "send_ignore_reprint": 1}, limit=LIMIT)
    assert said.digest != without.digest


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u200b\u3164"])
def test_a_text_that_shows_nothing_is_refused(text: str) -> None:
    assert refusal({"msgtype": "text", "text": {"content": text}}) == "error.content.empty"


def test_a_text_is_counted_in_characters() -> None:
    assert content.of_text("好" * 300, limit=LIMIT).notices == ()
    assert [n.id for n in content.of_text("好" * 301, limit=LIMIT).notices] == [
        "notice.content.long"
    ]
    content.of_text("好" * LIMIT, limit=LIMIT)
    with pytest.raises(ContentError, match="601"):
        content.of_text("好" * (LIMIT + 1), limit=LIMIT)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a\ud83d", "error.content.surrogate"),
        ("a\x00", "error.content.control"),
        ("a\x1b[31m", "error.content.control"),
    ],
)
def test_characters_that_cannot_be_sent_are_refused(text: str, wanted: str) -> None:
    assert refusal({"msgtype": "text", "text": {"content": text}}) == wanted
    assert refusal({"msgtype": "mpvideo", "mpvideo": {"media_id": "M", "title": text}}) == wanted


@pytest.mark.parametrize(
    "value",
    [
        {"msgtype": "image", "images": {"media_ids": ["A", "B"], "need_open_comment": 1}},
        {"msgtype": "voice", "voice": {"media_id": "V"}},
        {"msgtype": "mpvideo", "mpvideo": {"media_id": "X", "title": "t", "description": "d"}},
        {"msgtype": "mpnews", "mpnews": {"media_id": "D"}, "send_ignore_reprint": 0},
        {"msgtype": "wxcard", "wxcard": {"card_id": "pX"}},
    ],
)
def test_every_msgtype_of_mass_send_passes_unchanged(value: dict[str, Any]) -> None:
    assert json.loads(content.of_object(value, limit=LIMIT).canonical) == value


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ([], "error.content.no_object"),
        ("text", "error.content.no_object"),
        ({}, "error.content.msgtype"),
        ({"msgtype": "video", "video": {"media_id": "V"}}, "error.content.msgtype"),
        ({"msgtype": ["text"]}, "error.content.msgtype"),
        ({"msgtype": "text"}, "error.content.missing"),
        ({"msgtype": "text", "text": "hi"}, "error.content.wrong"),
        ({"msgtype": "text", "text": {"content": 1}}, "error.content.wrong"),
        ({"msgtype": "text", "text": {"content": "a"}, "touser": []}, "error.content.unknown"),
        ({"msgtype": "voice", "voice": {"media_id": ""}}, "error.content.wrong"),
        ({"msgtype": "voice", "voice": {"media_id": "a b"}}, "error.content.wrong"),
        ({"msgtype": "image", "images": {"media_ids": []}}, "error.content.wrong"),
        (
            {"msgtype": "mpnews", "mpnews": {"media_id": "D"}, "send_ignore_reprint": "1"},
            "error.content.wrong",
        ),
        (
            {"msgtype": "mpvideo", "mpvideo": {"media_id": "X", "title": "t" * 20_000}},
            "error.content.too_big",
        ),
    ],
)
def test_what_mass_send_does_not_take_is_refused_by_name(value: object, wanted: str) -> None:
    assert refusal(value) == wanted


def test_a_content_may_be_as_large_as_the_limit_says() -> None:
    def sized(letters: int) -> dict[str, Any]:
        return {"msgtype": "mpvideo", "mpvideo": {"media_id": "X", "title": "t" * letters}}

    frame = len(content.of_object(sized(1), limit=LIMIT).canonical) - 1
    largest = sized(content.MOST_BYTES - frame)

    assert len(content.of_object(largest, limit=LIMIT).canonical) == content.MOST_BYTES
    assert refusal(sized(content.MOST_BYTES - frame + 1)) == "error.content.too_big"


def test_every_unknown_name_is_told_at_once() -> None:
    value = {"msgtype": "text", "text": {"content": "a", "font": 1}, "touser": [], "to": "all"}

    with pytest.raises(ContentError) as caught:
        content.of_object(value, limit=LIMIT)

    assert "text.font, touser, to, which" in Texts("en")(caught.value)


def test_a_wrong_field_is_named() -> None:
    with pytest.raises(ContentError, match=r"images\.media_ids\.1"):
        content.of_object({"msgtype": "image", "images": {"media_ids": ["A", 5]}}, limit=LIMIT)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"{", "error.content.json"),
        (b"", "error.content.json"),
        (b"[" * 100_000, "error.content.json"),
        ('{"a": "好"}'.encode("gb18030"), "error.content.encoding"),
        (b" " * 1_000_001, "error.content.too_big"),
        (b'{"text": {"content": "1", "content": "2"}}', "error.content.twice"),
        (None, "error.content.file"),
    ],
)
def test_a_file_that_is_no_content_is_refused(
    tmp_path: Path, data: bytes | None, wanted: str
) -> None:
    file = tmp_path / "content.json"
    if data is not None:
        file.write_bytes(data)

    with pytest.raises(ContentError) as caught:
        content_options.read_content_file(file)

    assert caught.value.message_id == wanted


def test_a_pipe_that_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ContentError) as caught:
            content_options.read_content_file(path)
        assert caught.value.message_id == "error.content.not_regular"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "content.json"
    file.write_bytes('\ufeff{"msgtype": "text", "text": {"content": "好"}}'.encode())

    assert content.of_object(
        content_options.read_content_file(file), limit=LIMIT
    ) == content.of_text("好", limit=LIMIT)


def test_a_text_of_a_file_keeps_its_paragraphs_and_loses_the_editor_s_last_line_break(
    tmp_path: Path,
) -> None:
    for data in ("周五停机\n\n20:00 恢复\n", "\ufeff周五停机\r\n\r\n20:00 恢复\r\n"):
        file = tmp_path / "post.txt"
        file.write_bytes(data.encode())

        assert content_options.read_text_file(str(file)) == "周五停机\n\n20:00 恢复"


def test_a_line_break_that_the_shell_did_not_make_is_noticed() -> None:
    typed = content_options.ContentOptions(text=[r"周五停机\n20:00 恢复"])
    plain = content_options.ContentOptions(text=["周五停机\n20:00 恢复"])

    [notice] = typed.read(limit=LIMIT).notices
    assert notice.id == "notice.content.backslash_n"
    assert plain.read(limit=LIMIT).notices == ()


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("好".encode("gb18030"), "error.content.encoding"),
        (b" " * 1_000_001, "error.content.too_big"),
        (None, "error.content.file"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes | None, wanted: str) -> None:
    file = tmp_path / "post.txt"
    if data is not None:
        file.write_bytes(data)

    with pytest.raises(ContentError) as caught:
        content_options.read_text_file(str(file))

    assert (caught.value.message_id, caught.value.facts.get("option")) == (
        wanted,
        None if wanted == "error.content.too_big" else "--text-file",
    )


@given(st.text(min_size=1, max_size=50))
def test_a_text_is_refused_or_kept_to_the_letter(text: str) -> None:
    try:
        made = content.of_text(text, limit=LIMIT)
    except ContentError:
        return
    assert json.loads(made.canonical.encode())["text"]["content"] == text


# The nine questions on which the producer's and the client's own validators once differed. There
# is one now, and the client writes whatever it let pass.
PROBES: list[tuple[dict[str, Any], str | None]] = [
    ({"msgtype": "text", "text": {"content": " "}}, "text.content"),
    ({"msgtype": "text", "text": {"content": "a", "size": 7}}, "text.size"),
    ({"msgtype": "image", "image": {"media_id": "M"}}, "image"),
    ({"msgtype": "image", "images": {"media_ids": []}}, "images.media_ids"),
    ({"msgtype": "voice", "voice": {"media_id": "a b"}}, "voice.media_id"),
    ({"msgtype": "voice", "voice": {}}, "voice.media_id"),
    (
        {"msgtype": "text", "text": {"content": "a"}, "send_ignore_reprint": 1},
        "send_ignore_reprint",
    ),
    ({"msgtype": "text", "text": {"content": "a"}, "touser": ["oEVIL"]}, "touser"),
    ({"msgtype": "mpnews", "mpnews": {"media_id": "D"}, "send_ignore_reprint": 1}, None),
]


@pytest.mark.parametrize(("value", "field"), PROBES)
def test_one_validator_answers_what_two_disagreed_on(
    value: dict[str, Any], field: str | None
) -> None:
    if field is None:
        written = json.loads(content.of_object(value, limit=LIMIT).canonical)
        sent = MassSend(openids=b"oTEST%023d" % 1 * 2, content=written, clientmsgid="k").body().data
        assert isinstance(sent, bytes)
        assert json.loads(sent) | value == json.loads(sent)
        return
    with pytest.raises(ContentError) as caught:
        content.of_object(value, limit=LIMIT)
    assert caught.value.facts["field"] == field


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "content"),
        ({"msgtype": "music"}, "msgtype"),
        ({"msgtype": "text"}, "text"),
        ({"msgtype": "text", "text": {"content": None}}, "text.content"),
        ({"msgtype": "text", "text": {"content": "a"}, "more": "\ud83d"}, "more"),
        ({"msgtype": "mpnews", "mpnews": {"media_id": "D\0"}}, "mpnews.media_id"),
        ({"msgtype": "image", "images": {"media_ids": ["A", 5]}}, "images.media_ids.1"),
        ({"msgtype": "image", "image": {"media_id": "A"}}, "image"),
        ({"msgtype": "image", "images": {"media_ids": ["A"] * 21}}, "images.media_ids"),
        (
            {"msgtype": "image", "images": {"media_ids": ["A"], "need_open_comment": True}},
            "images.need_open_comment",
        ),
        ({"msgtype": "mpvideo", "mpvideo": {"media_id": "X", "title": None}}, "mpvideo.title"),
        ({"msgtype": "wxcard", "wxcard": {"card_id": "C"}, "more": 1, "less": 2}, "more"),
    ],
)
def test_every_error_names_its_field_in_every_language(
    value: object, field: str, language: Language
) -> None:
    with pytest.raises(ContentError) as caught:
        content.of_object(value, limit=LIMIT)
    assert caught.value.facts["field"] == field
    words = Texts(language)(caught.value)
    assert "{" not in words.replace('{"msgtype"', "").replace('{"content"', "").replace(
        '{"media_ids"', ""
    )


@pytest.mark.parametrize("msgtype", content.MSGTYPES)
def test_every_msgtype_has_a_preview(msgtype: str) -> None:
    part = "images" if msgtype == "image" else msgtype
    values = {"content": "您好", "media_id": "M1", "media_ids": ["M1"], "card_id": "M1"}
    value = {"msgtype": msgtype, part: values}
    assert preview(value) == "您好"
    del values["content"]
    assert preview(value) == "M1"


def test_a_preview_shows_a_link_as_followers_see_it() -> None:
    text = 'Doors open: <a href="https://example.com/?a=1">book <3 now</A>, 5 < 6'

    assert preview({"msgtype": "text", "text": {"content": text}}) == (
        "Doors open: book <3 now, 5 < 6"
    )


def test_a_preview_is_short_and_on_one_line() -> None:
    told = preview({"msgtype": "text", "text": {"content": "您好\n" * 100}})
    assert len(told) == content.LONGEST_PREVIEW
    assert told.startswith("您好 您好")
    # Of a newer release.
    assert preview({"msgtype": "tomorrow", "tomorrow": {"id": 7}}) == ""


def test_music_is_refused_because_wechat_has_no_call_for_it() -> None:
    with pytest.raises(ContentError) as caught:
        content.of_object({"msgtype": "music", "music": {"media_id": "M1"}}, limit=600)
    assert caught.value.message_id == "error.content.music"


@pytest.mark.parametrize("beside", [{}, {"images": {"media_ids": ["A"]}}])
def test_the_old_name_of_images_is_refused_with_what_to_write(beside: dict[str, Any]) -> None:
    with pytest.raises(ContentError) as caught:
        content.of_object({"msgtype": "image", "image": {"media_id": "A"}, **beside}, limit=600)

    assert caught.value.message_id == "error.content.image"
    assert '"images": {"media_ids": ["MEDIA_ID"]}' in Texts("en")(caught.value)
