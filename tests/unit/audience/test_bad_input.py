"""Each bad list is refused in one line that says what, where and how to mend it."""

from __future__ import annotations

import gzip
import io
import os
import random
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broadcast.errors import AudienceError
from broadcast.views.texts import Texts
from producer.audience import openid_list
from producer.audience import source as sources

A, B, C = (f"oTEST-{'x' * 21}{c}" for c in "ABC")
TWO = f"{A}\n{B}\n".encode()


def refused(source: object) -> AudienceError:
    with pytest.raises(AudienceError) as error:
        openid_list.read(source)  # type: ignore[arg-type]
    return error.value


BAD: dict[str, tuple[bytes, str, dict[str, object]]] = {
    "empty": (b"", "empty", {}),
    "blank lines alone": (b"\n \r\n\t\n", "only_blank", {}),
    "a mark alone": (b"\xef\xbb\xbf", "only_blank", {}),
    "a header alone": (b"openid\n", "only_blank", {}),
    "nothing valid": (
        b"\nabc\n" + b"x" * 29,
        "nothing_valid",
        {"read": 2, "line": 2, "text": "abc"},
    ),
    "one valid": (f"{A}\n{A}\nbad".encode(), "single", {"openid": A}),
    "a JSON list": (f'["{A}", "{B}"]'.encode(), "no_column", {}),
    "no column": ("昵称,手机\n甲,1\n".encode(), "no_column", {"columns": "昵称, 手机"}),
    "no column, GB18030": (
        "昵称;手机\n甲;1\n".encode("gb18030"),
        "no_column",
        {"columns": "昵称, 手机"},
    ),
    "two columns of OpenIDs": (
        f"openid,name,OpenID\n{A},a,{B}\n{B},b,{A}\n".encode(),
        "columns",
        {"columns": "openid (1), OpenID (3)"},
    ),
    "the same column in two languages": (
        f"用户标识\topenid\n{A}\t{B}\n".encode(),
        "columns",
        {"columns": "用户标识 (1), openid (2)"},
    ),
    "no header": (f"甲,{A}\n乙,{B}\n".encode(), "no_column", {"columns": f"甲, {A}"}),
    "an escape in a column": (b"a\x1b[2J,b\n1,2\n", "no_column", {"columns": "a\\x1b[2J, b"}),
    "a NUL": (TWO + b"\0", "binary", {}),
    "a program": (b"\x7fELF\x02\x01\x01\0\0", "binary", {}),
    "UTF-16 without its mark": (TWO.decode().encode("utf-16-le"), "binary", {}),
    "half UTF-8": (TWO + "中".encode() + b"\n\xe4\xb8\n", "encoding", {"byte": "0xE4", "line": 4}),
    "neither": (TWO + b"\r\n\r\n\xff\n", "encoding", {"byte": "0xFF", "line": 5}),
    "GB18030 with a stray byte": (
        "openid,昵称\n".encode("gb18030") + TWO + b"x,\x81\n",
        "encoding",
        {"byte": "0x81", "line": 4},
    ),
    "a mark of UTF-8 before GB18030": (
        b"\xef\xbb\xbf" + TWO + "中文".encode("gb18030"),
        "encoding",
        {"byte": "0xD6", "line": 3},
    ),
    "half of UTF-16": (
        b"\xff\xfe" + f"{A}\n{B}\n".encode("utf-16-le") + b"\x00\xd8",
        "encoding",
        {"byte": "0x00", "line": 3},
    ),
    "cut gzip": (gzip.compress(TWO * 9)[:-9], "gzip", {}),
    "broken gzip": (gzip.compress(TWO)[:-8] + b"12345678", "gzip", {}),
    "no gzip": (b"\x1f\x8bnothing", "gzip", {}),
    "empty gzip": (gzip.compress(b""), "empty", {}),
    "an endless line": (TWO + b"x" * 3_000_000, "long_line", {"line": 3}),
    "an open quote": (
        f'openid,昵称\n{A},甲\n{B},"乙\n{C},丙\n'.encode(),
        "open_quote",
        {"line": 3},
    ),
    "a quote open over much": (
        f'openid,昵称\n{A},甲\n{B},"乙\n'.encode() + b"-\n" * 100_000,
        "open_quote",
        {"line": 3},
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_content_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    data, kind, facts = BAD[name]
    path = tmp_path / "list"
    path.write_bytes(data)
    for source, where in ((path, str(path)), (io.BytesIO(data), None)):
        error = refused(source)
        assert error.message_id == f"error.audience.{kind}"
        assert error.facts.items() >= facts.items()
        for text in (Texts("en")(error), Texts("zh")(error)):
            assert text.isprintable()
            assert where is None or text.startswith(where)
            assert all(str(fact) in text for fact in facts.values())


def piped(data: bytes) -> Path:
    """A path such as a shell's <(...) gives; all of *data* fits into the pipe."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return Path(f"/dev/fd/{reader}")


CUT = {
    "half an OpenID": (TWO + C[:20].encode(), 3, C[:20]),
    "half a row": (f"name,openid\na,{A}\nb,{B}\nc,{C[:20]}".encode(), 4, C[:20]),
    "a row without its column": (f"name,openid\na,{A}\nb,{B}\nc".encode(), 4, ""),
    "half an OpenID, zipped": (gzip.compress(TWO + C[:20].encode()), 3, C[:20]),
}


@pytest.mark.parametrize("name", CUT)
def test_a_list_that_a_pipe_ends_within_a_line_is_cut(name: str, tmp_path: Path) -> None:
    data, line, text = CUT[name]
    error = refused(piped(data))
    assert error.message_id == "error.audience.cut"
    assert (error.facts["line"], error.facts["text"]) == (line, text)
    (tmp_path / "list").write_bytes(data)
    with openid_list.read(tmp_path / "list") as found:
        assert (found.planned, found.malformed.count) == (2, 1)


@pytest.mark.parametrize("end", [C, f"{C[:20]}\n", f"{C[:20]}\r", f"{C}\n ", f"bad\n{C}"])
def test_a_list_that_a_pipe_ends_whole_is_taken(end: str) -> None:
    with openid_list.read(piped(TWO + end.encode())) as found:
        assert found.planned == (3 if C in end else 2)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no", tmp_path / "no" / "such", Path(__file__) / "below"):
        error = refused(path)
        assert error.message_id == "error.audience.missing_file"
        assert str(path) in str(error)


def test_a_directory_is_no_list(tmp_path: Path) -> None:
    assert refused(tmp_path).message_id == "error.audience.directory"


def test_a_path_that_cannot_be_one_is_unreadable() -> None:
    assert refused(Path("a\0b")).message_id == "error.audience.unreadable"


def test_a_disk_that_fails_is_unreadable() -> None:
    class Failing(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    error = refused(Failing())
    assert error.message_id == "error.audience.unreadable"
    assert error.facts["reason"] == "Input/output error"


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who may not read everything, as root may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_of_somebody_else_needs_permission(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(TWO)
    path.chmod(0)
    # What is imported on first use must be in before the rights are given away.
    openid_list.read([A, B]).close()
    with nobody():
        assert refused(path).message_id == "error.audience.permission"


def test_no_room_for_temporary_files_is_told_with_the_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from producer.audience.reading import Sizes, read_source

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "away"))
    with pytest.raises(AudienceError) as error:
        read_source([A, B, C], sizes=Sizes(run_length=2))
    assert error.value.message_id == "error.audience.no_room"
    assert str(tmp_path / "away") in str(error.value)


def test_an_empty_iterable_is_no_audience() -> None:
    assert refused([]).message_id == "error.audience.empty"


@pytest.mark.parametrize("source", ["list.txt", b"list.csv", 7])
def test_what_is_no_source_is_a_bug(source: object) -> None:
    with pytest.raises(TypeError):
        openid_list.read(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_never_an_audience(seed: int) -> None:
    data = random.Random(seed).randbytes(5000)
    kind = refused(io.BytesIO(data)).message_id.removeprefix("error.audience.")
    assert kind in {"binary", "encoding"}


def test_a_list_on_a_file_server_that_does_not_answer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(sources, "ANSWERS_WITHIN_S", 0.05)
    # Nobody writes into the pipe: whoever opens it waits, as for a server.
    monkeypatch.setattr(stat, "S_ISREG", lambda _: True)

    with pytest.raises(AudienceError) as caught:
        sources.regular(str(tmp_path / "pipe"))

    assert caught.value.message_id == "error.audience.silent"
    os.close(os.open(tmp_path / "pipe", os.O_WRONLY))


def test_a_list_that_is_no_file_is_refused_and_its_reading_says_what_else_is_wrong(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(AudienceError) as caught:
            sources.regular(path)
        assert caught.value.message_id == "error.audience.not_regular"

    for path in (str(tmp_path), str(tmp_path / "missing"), "a\0b"):
        assert sources.regular(path) == path
