"""Local files, held against WeChat's limits before anything leaves."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from broadcast.errors import MediaError
from broadcast.rules.media import LIMITS, USUAL_KIND, LocalFile, MediaFormat, MediaKind, in_bytes
from broadcast.views import content
from broadcast.views.texts import Language, Texts
from producer.media.file import named, of_files, read, stand_in
from tests.kit import media

FILES = {
    "a.jpg": media.picture("JPEG"),
    "a.png": media.picture("PNG"),
    "a.gif": media.picture("GIF"),
    "a.bmp": media.picture("BMP"),
    "a.amr": media.amr(),
    "a.mp3": media.mp3(),
    "a.wav": media.wav(),
    "a.mp4": media.mp4(),
}
MEDIA_ID = "Dr4ftM3diaId_0001-abcdefghijklmnopqrstuvwxyz"


def put(folder: Path, name: str, data: bytes) -> Path:
    file = folder / name
    file.write_bytes(data)
    return file


def refused(file: Path, *facts: Any, **options: Any) -> str:
    with pytest.raises(MediaError) as caught:
        read(file, *facts, **options)
    assert caught.value.exit_status == 2
    return caught.value.message_id


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_is_in_it_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    found = read(put(tmp_path, "photo.bin", FILES[name]), permanent=True)

    assert found.format is MediaFormat(name.partition(".")[2])
    assert found.kind is USUAL_KIND[found.format]
    # WeChat goes by the extension.
    assert found.name == f"photo.{found.format}"


def test_a_picture_has_its_size_and_a_sound_its_length(tmp_path: Path) -> None:
    picture = read(put(tmp_path, "a.png", media.picture("PNG", size=(300, 200))))
    assert (picture.width, picture.height) == (300, 200)
    assert read(put(tmp_path, "a.amr", media.amr(7))).seconds == pytest.approx(7)
    assert read(put(tmp_path, "a.mp3", media.mp3(7))).seconds == pytest.approx(7, abs=0.1)
    assert read(put(tmp_path, "a.mp4", media.mp4(12))).seconds == pytest.approx(12)
    assert picture.shown == f"a.png (PNG, 300 × 200, {len(picture.data)} B)"


# Frames of MP3 and samples of WAV follow each other without an end: half of them are a file.
@pytest.mark.parametrize("name", [name for name in FILES if name not in {"a.mp3", "a.wav"}])
def test_the_first_half_of_a_file_is_no_file(tmp_path: Path, name: str) -> None:
    half = FILES[name][: len(FILES[name]) // 2 + 5]
    assert refused(put(tmp_path, name, half), permanent=True) == "error.media.broken"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", "error.media.empty"),
        (b"<html>404</html>", "error.media.unknown_format"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "error.media.unknown_format"),
        (b"GIF89a/*xxx*/", "error.media.broken"),
        (b"#!AMR\n", "error.media.broken"),
        (b"#!AMR\n\x54", "error.media.broken"),
        (b"ID3\x03\x00\x00\x00\x00\x00\x00", "error.media.broken"),
        (media.mp4(handler=b"soun"), "error.media.broken"),
        (media.mp4(0), "error.media.broken"),
        (media.mp4()[:-1], "error.media.broken"),
        (media.amr(60.1), "error.media.too_long"),
        (media.mp3(61), "error.media.too_long"),
        (media.mp3(140), "error.media.too_large"),
    ],
    ids=[
        "empty",
        "html",
        "webp",
        "gif-head",
        "amr-head",
        "amr-mode",
        "id3-head",
        "m4a",
        "instant",
        "cut",
        "amr-long",
        "mp3-long",
        "mp3-large",
    ],
)
def test_what_wechat_does_not_take_is_refused_by_name(
    tmp_path: Path, data: bytes, wanted: str
) -> None:
    assert refused(put(tmp_path, "file", data)) == wanted


def test_what_is_no_picture_is_told_what_a_picture_may_be(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        read(put(tmp_path, "a.jpg", b"%PDF-1.7"), MediaKind.IMAGE)

    said = Texts("en")(caught.value)
    assert "its content, whatever its name, is not a picture that WeChat accepts" in said
    assert ("JPG" in said or "JPEG" in said, "MP3" in said) == (True, False)


def test_a_voice_of_exactly_sixty_seconds_is_taken(tmp_path: Path) -> None:
    assert read(put(tmp_path, "a.amr", media.amr(60))).seconds == pytest.approx(60)


def test_a_picture_that_unfolds_into_thousands_of_millions_of_pixels_is_refused(
    tmp_path: Path,
) -> None:
    side = 60_000
    png = bytearray(media.picture("PNG"))
    head = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes(png[24:29])
    png[12:33] = head + zlib.crc32(head).to_bytes(4, "big")
    assert refused(put(tmp_path, "bomb.png", bytes(png))) == "error.media.pixels"


@pytest.mark.parametrize(
    ("name", "kind", "permanent"),
    [
        ("a.bmp", MediaKind.IMAGE, False),
        ("a.wav", MediaKind.VOICE, False),
        ("a.png", MediaKind.THUMB, False),
        ("a.gif", MediaKind.ARTICLE_IMAGE, False),
        ("a.jpg", MediaKind.VOICE, True),
        ("a.mp3", MediaKind.MPVIDEO, False),
    ],
)
def test_a_kind_takes_its_own_formats_alone(
    tmp_path: Path, name: str, kind: MediaKind, permanent: bool
) -> None:
    file = put(tmp_path, name, FILES[name])
    assert refused(file, kind, permanent=permanent) == "error.media.format"


@pytest.mark.parametrize("kind", LIMITS)
def test_a_byte_above_the_limit_of_its_kind_is_one_too_many(
    tmp_path: Path, kind: MediaKind
) -> None:
    limit = LIMITS[kind]
    [data] = [data for name, data in FILES.items() if name.endswith(limit.formats[0].value)]
    # Bytes behind a picture belong to no picture; to a video they would be a box.
    box = (limit.most_bytes - len(data)).to_bytes(4, "big") + b"free"
    filler = (box if kind is MediaKind.VIDEO else b"\xff").ljust(limit.most_bytes - len(data), b"x")
    if kind is not MediaKind.VOICE:
        assert read(put(tmp_path, "fits", data + filler), kind).kind is kind
    much = b"x" * LIMITS[MediaKind.VIDEO].most_bytes
    for more in (b"x", much):
        with pytest.raises(MediaError) as error:
            read(put(tmp_path, "large", data + filler + more), kind)
        assert error.value.message_id == "error.media.too_large"
        assert error.value.facts["most"] == in_bytes(limit.most_bytes)


def test_no_file_and_a_directory_are_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.jpg") == "error.media.missing"
    assert refused(tmp_path / "nul\0.jpg") == "error.media.missing"
    assert refused(tmp_path) == "error.media.directory"


def test_a_pipe_that_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert refused(tmp_path / "pipe") == "error.media.not_regular"
    assert refused(Path("/dev/zero")) == "error.media.not_regular"


def test_a_word_is_a_media_id_by_its_form_or_its_mark_and_else_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "photo.jpg", media.picture())
    assert named(MEDIA_ID, MediaKind.IMAGE, permanent=False) == MEDIA_ID
    assert named("id:M1", MediaKind.IMAGE, permanent=False) == "M1"
    assert isinstance(named("photo.jpg", MediaKind.IMAGE, permanent=False), LocalFile)
    with pytest.raises(MediaError, match="missing"):
        named("fotos.jpg", MediaKind.IMAGE, permanent=False)

    put(tmp_path, MEDIA_ID, media.picture())
    with pytest.raises(MediaError, match="ambiguous"):
        named(MEDIA_ID, MediaKind.IMAGE, permanent=False)
    assert isinstance(named(f"./{MEDIA_ID}", MediaKind.IMAGE, permanent=False), LocalFile)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["    Words beside them: 新品", "    Comments: followers only"]),
        ("zh", ["    推荐语：新品", "    留言：仅粉丝"]),
    ],
)
def test_a_person_reads_files_by_name_and_switches_in_words(
    tmp_path: Path, *, language: Language, words: list[str]
) -> None:
    picture = read(put(tmp_path, "photo.png", media.picture("PNG", size=(300, 200))))
    images = {
        "media_ids": [stand_in(picture), MEDIA_ID],
        "recommend": "新品",
        "need_open_comment": 1,
        "only_fans_can_comment": 1,
    }
    said = of_files({"msgtype": "image", "images": images}, [picture])
    texts = Texts(language)
    lines = [
        line if isinstance(line, str) else texts(line) for line in content.written(said, said.names)
    ]
    assert lines == [picture.shown, f"    media_id {MEDIA_ID}", *words]
