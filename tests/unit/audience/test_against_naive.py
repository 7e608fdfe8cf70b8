"""Whatever the list, its encoding, its line ends and the sizes inside: the sets are exact."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.errors import AudienceError
from producer.audience.reading import Sizes, read_source
from tests.unit.audience.naive import (
    Naive,
    assert_same,
    decoded,
    lines_of,
    naive_plain,
    naive_table,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#: Few, so that they repeat, and alike in all but one character.
COMMON = [f"oTEST-{'x' * 21}{c}" for c in "Aa0_-Zz9"]

openids = st.sampled_from(COMMON) | st.text(ALPHABET, min_size=28, max_size=28)
surroundings = st.text("\"' \u3000\xa0\x0b“”\u200b", max_size=6)
surrounded = st.builds("{}{}{}".format, surroundings, openids, surroundings)
wrong_length = st.text(ALPHABET, min_size=26, max_size=30)
garbage = st.text("ab中文字é😀.\u3000\x07\x85\u2028'\" -_", max_size=70)
near = st.builds(lambda one, c: one[:13] + c + one[14:], openids, st.sampled_from(".é中\x01 "))
line = openids | openids | surrounded | wrong_length | garbage | near
lines = st.lists(line, max_size=40)
ended_lines = st.lists(
    st.builds("{}{}".format, line, st.sampled_from(["\n", "\r\n", "\r"])), max_size=40
)
encodings = st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"])
sizes = st.builds(
    Sizes,
    block_bytes=st.integers(1, 99) | st.just(1 << 20),
    run_length=st.integers(1, 9) | st.just(1 << 10),
)


def expected_error(model: Naive) -> str | None:
    if len(model.planned) > 1:
        return None
    if model.planned:
        return "error.audience.single"
    return "error.audience.nothing_valid" if model.malformed else "error.audience.only_blank"


def check(source: object, *, within: Sizes, model: Naive) -> None:
    wanted = expected_error(model)
    if wanted is None:
        with read_source(source, sizes=within) as audience:
            assert_same(audience, model)
    else:
        with pytest.raises(AudienceError) as error:
            read_source(source, sizes=within)
        assert error.value.message_id == wanted


@settings(max_examples=400, deadline=None)
@given(
    lines=ended_lines,
    last_end=st.booleans(),
    encoding=encodings,
    zipped=st.booleans(),
    within=sizes,
)
def test_plain_lines_are_read_exactly(
    lines: list[str],
    last_end: bool,
    encoding: str,
    zipped: bool,
    within: Sizes,
) -> None:
    text = "".join(lines)
    if not last_end:
        text = text.rstrip("\r\n")
    # Hypothesis finds the file of zero bytes, which has a test of its own.
    data = text.encode(encoding) or b"\n"
    model = naive_plain(lines_of(decoded(data)))
    check(io.BytesIO(gzip.compress(data) if zipped else data), within=within, model=model)


@settings(max_examples=100, deadline=None)
@given(lines=lines, within=sizes)
def test_items_of_an_iterable_are_read_exactly(lines: list[str], within: Sizes) -> None:
    model = naive_plain(lines)
    check(iter(lines or [""]), within=within, model=model)


cells = st.text("ab中文é😀,;\t\"'\n ", max_size=12)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, openids | openids | wrong_length | garbage, cells), max_size=30),
    column=st.integers(0, 2),
    encoding=encodings,
    end=st.sampled_from(["\n", "\r\n"]),
    within=sizes,
)
def test_tables_are_read_exactly(
    rows: list[tuple[str, str, str]], column: int, encoding: str, end: str, within: Sizes
) -> None:
    def placed(row: tuple[str, str, str]) -> list[str]:
        before, value, after = row
        rest = [before, after]
        return [*rest[:column], value, *rest[column:]]

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(placed(("昵称", "OpenID", "备注\n二")))
    writer.writerows(map(placed, rows))
    data = text.getvalue().encode(encoding)
    check(io.BytesIO(data), within=within, model=naive_table(decoded(data), column))
