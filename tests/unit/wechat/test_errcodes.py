"""The table of errcodes is whole."""

from __future__ import annotations

import csv

from wechat.errcodes import TABLE, errcodes

# What WeChat's pages and its machine-readable list name for these endpoints, ranges as they stand.
LISTED = """
-1 0 40001-40010 40011 40012 40013 40014 40031-40033 40035 40038 40050 40059 40060 40065 40068
40073 40097 40125 40126 40128 40130 40132 40137 40152 40164 40243 41001 41002 41004-41006 41011
42001 42005 42007 42010 43001-43005 43019 44001-44005 44007 44993 45001-45009 45011 45015
45019-45021 45028 45040 45047 45052 45056-45059 45061 45065-45067 45083-45085 45100 45102 45103
45157-45159 45161 45501 46001 46003 46004 46007 47001 47002 48001-48006 48008 48013 48014 49003
50001 50002 50004 50005 50007 61007 61450 61451 65301-65317 76003 76021 76022 89501-89507 9001001
"""


def listed() -> set[int]:
    codes: set[int] = set()
    for part in LISTED.split():
        first, _, last = part.partition("-") if not part.startswith("-") else (part, "", "")
        codes.update(range(int(first), int(last or first) + 1))
    return codes


def test_every_listed_errcode_is_in_the_table() -> None:
    assert set(errcodes()) == listed()


def test_no_errcode_stands_twice() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [int(row["code"]) for row in csv.DictReader(file)]
    assert rows == sorted(set(rows))


def test_every_errcode_has_a_meaning_and_no_rid() -> None:
    for row in errcodes().values():
        assert row.meaning
        assert row.meaning.isascii()
        assert "rid:" not in row.errmsg
