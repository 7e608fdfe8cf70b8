"""The table of errcodes is whole."""

from __future__ import annotations

from broadcast.wechat.csv_rows import rows
from broadcast.wechat.errcodes import errcodes


def test_no_errcode_stands_twice() -> None:
    codes = [int(row["code"]) for row in rows("errcodes.csv")]

    assert codes == sorted(set(codes))


def test_every_errcode_has_a_meaning_and_no_rid() -> None:
    for row in errcodes().values():
        assert row.meaning
        assert row.meaning.isascii()
        assert "rid:" not in row.errmsg
