from __future__ import annotations

import gzip
import io
import itertools
import random
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from broadcast import openid
from producer.audience import openid_list
from producer.audience.reading import Sizes, read_source
from tests.unit.audience.naive import assert_same, naive_plain, openids_of

A, B, C, D = (f"oTEST-{'x' * 21}{c}" for c in "ABCD")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


def made(count: int, *, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return ["oTEST-" + "".join(chance.choices(ALPHABET, k=22)) for _ in range(count)]


@pytest.mark.parametrize("room", ["producer.audience", "producer.wiring.wechat"])
def test_the_room_is_entered_without_numpy(room: str) -> None:
    code = f"import sys, {room}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_standard_input_is_read_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(f"{A}\r{B}".encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    with openid_list.read("-") as found:
        assert openids_of(found) == [A, B]
    assert not Stdin.buffer.closed


def test_a_pipe_that_gives_little_at_a_time_is_read_to_its_end() -> None:
    code = (
        "import time, sys\n"
        "for part in ('o', 'openid,name\\r', '\\nx', *['y'] * 3, '\\n'): "
        "sys.stdout.write(part); sys.stdout.flush()\n"
        f"print('{A},1'); print('{B},2')\n"
    )
    code = code.replace("('o', 'openid", "('o', 'penid")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, bufsize=0
    ) as writer:
        assert writer.stdout is not None
        with openid_list.read(cast(BinaryIO, writer.stdout)) as found:
            assert openids_of(found) == [A, B]
            assert found.malformed.sample == ((2, "xyyy"),)


def test_a_text_file_is_an_iterable_of_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"{A}\n\n{B}\nx\ny z\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file, openid_list.read(file) as found:
        assert openids_of(found) == [A, B]
        assert found.malformed.sample == ((4, "x"), (5, "y z"))


def test_an_item_with_line_ends_inside_is_one_malformed_item() -> None:
    with openid_list.read([A, f"{B}\n{C}", f"\n{D}\r\n", "\ud800", B]) as found:
        assert openids_of(found) == [A, B, D]
        assert found.malformed.sample == ((2, f"{B}\\r{C}"), (4, "\\ud800"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_the_column_is_found_by_its_name(encoding: str) -> None:
    names = ("openid", "OpenID", "OPENID", " openid ", '"openid"', "用户标识")
    for name, delimiter in itertools.product(names, ",\t;"):
        rows = (["昵称", name, "x"], ["甲", A, "1"], ["乙", B, "2"])
        data = "\r\n".join(map(delimiter.join, rows)).encode(encoding)
        with openid_list.read(io.BytesIO(data)) as found:
            assert (openids_of(found), found.read) == ([A, B], 2), (name, delimiter)


def test_a_single_column_is_plain_lines_after_the_header() -> None:
    data = f'"用户标识"\n"{A}"\nx,y\n\n{B}\n'.encode("gb18030")
    with openid_list.read(io.BytesIO(data)) as found:
        assert openids_of(found) == [A, B]
        assert found.malformed.sample == ((3, "x,y"),)


def test_rows_too_short_for_the_column_are_malformed_and_empty_rows_are_not_read() -> None:
    data = f"n,openid\n1,{A}\n\n2\n,\n3,{B}\n4,\n".encode()
    with openid_list.read(io.BytesIO(data)) as found:
        assert openids_of(found) == [A, B]
        assert found.malformed.sample == ((4, ""), (7, ""))


def test_a_field_over_several_lines_does_not_upset_the_line_numbers() -> None:
    data = f'openid,note\n{A},"one\ntwo\n\nthree"\n{B},x\nbad,y\n{A},z\n'.encode()
    with openid_list.read(io.BytesIO(data)) as found:
        assert openids_of(found) == [A, B]
        assert found.malformed.sample == ((7, "bad"),)
        assert found.duplicate.sample == ((8, A),)


@pytest.mark.parametrize("name", ["list.csv", "list.csv.gz", "LIST.CSV"])
def test_a_csv_without_header_that_holds_openids_alone_is_plain(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = f"{A}\n{B}\n".encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with openid_list.read(path) as found:
        assert openids_of(found) == [A, B]


@pytest.mark.parametrize("end", ["\n", "\r\n", ",1\n"])
def test_the_word_for_an_erased_person_is_no_openid(end: str) -> None:
    """Who has it from a list of ours calls nobody by it."""
    erased = openid.ERASED.decode()
    lines = [A, erased, B] if "," not in end else ["openid", A, erased, B]

    with openid_list.read(io.BytesIO("".join(one + end for one in lines).encode())) as found:
        assert openids_of(found) == [A, B]
        assert found.malformed.sample == ((lines.index(erased) + 1, erased),)


def test_a_malformed_line_is_shown_cut_and_without_control_characters() -> None:
    data = f"{A}\n{B}\n\x1b[31m红\u202e\t.\n{'长' * 100}\n".encode()
    with openid_list.read(io.BytesIO(data)) as found:
        assert found.malformed.sample == ((3, "\\x1b[31m红\\u202e\\t."), (4, "长" * 64))


def test_texts_are_shown_in_the_encoding_that_the_end_of_the_file_decides() -> None:
    # 联通 in GB18030 happens to be UTF-8 too; only the last line tells.
    data = f"联通\n{A}\n{B}\n中文\n".encode("gb18030")
    with read_source(io.BytesIO(data), sizes=Sizes(block_bytes=5)) as found:
        assert found.malformed.sample == ((1, "联通"), (4, "中文"))


@pytest.mark.parametrize("run_length", [1, 2, 7, 100, 999, 1000, 1001, 4096])
def test_duplicates_are_found_across_runs_with_the_lines_of_the_later_ones(run_length: int) -> None:
    lines = made(1000)
    lines += [*lines[::3], "bad", *lines[500:600], *lines[:50]]
    lines[200:200] = [lines[5], lines[5]]
    data = "\n".join(lines).encode()
    with read_source(io.BytesIO(data), sizes=Sizes(run_length=run_length)) as found:
        assert_same(found, naive_plain(lines))


def test_only_the_first_thousand_are_shown_and_all_are_counted() -> None:
    ids = made(3000)
    lines = ids + ["x"] * 1500 + ids[::-1] + ids
    sizes = Sizes(run_length=700, block_bytes=4096)
    with read_source(io.BytesIO("\n".join(lines).encode()), sizes=sizes) as found:
        assert (found.malformed.count, found.duplicate.count) == (1500, 6000)
        assert len(found.malformed.sample) == len(found.duplicate.sample) == 1000
        assert_same(found, naive_plain(lines))


def test_progress_grows_to_the_number_of_lines_read() -> None:
    told: list[int] = []
    data = "\n".join([*made(500), "", "bad"]).encode()
    with read_source(
        io.BytesIO(data), progress=told.append, sizes=Sizes(block_bytes=1000)
    ) as found:
        assert told == sorted(told)
        assert len(told) > 5
        assert told[-1] == found.read == 501


@pytest.mark.parametrize("run_length", [10, 1000])
def test_chunks_cut_the_sorted_audience(run_length: int) -> None:
    ids = made(100)
    with read_source(iter(ids), sizes=Sizes(run_length=run_length)) as found:
        chunks = list(found.chunks(34))
        assert chunks == list(found.chunks(34))
    ordered = sorted(ids)
    assert [(one.start, one.size, one.first, one.last) for one in chunks] == [
        (0, 34, ordered[0], ordered[33]),
        (34, 34, ordered[34], ordered[67]),
        (68, 32, ordered[68], ordered[99]),
    ]
    assert [len(one.packed) for one in chunks] == [34 * 21, 34 * 21, 32 * 21]
    assert b"".join(openid.unpack(one.packed) for one in chunks).decode() == "".join(ordered)


def test_the_digest_depends_on_the_set_alone() -> None:
    with (
        openid_list.read([A, B, C]) as one,
        openid_list.read([C, "x", A, C, B]) as same,
        openid_list.read([A, B, D]) as other,
    ):
        assert one.digest == same.digest != other.digest
