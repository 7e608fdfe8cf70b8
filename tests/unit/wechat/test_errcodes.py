"""The table of errcodes is whole."""

from __future__ import annotations

import csv

from broadcast.wechat.errcodes import TABLE, errcodes


def test_no_errcode_stands_twice() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [int(row["code"]) for row in csv.DictReader(file)]
    assert rows == sorted(set(rows))


def test_every_errcode_has_a_meaning_and_no_rid() -> None:
    for row in errcodes().values():
        assert row.meaning
        assert row.meaning.isascii()
        assert "rid:" not in row.errmsg
