from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from broadcast.errors import AudienceError
from producer import audience
from tests.unit.audience.naive import openids_of
from tests.unit.audience.workbooks import Rows, xlsx

A, B, C = (f"oTEST-{'x' * 21}{c}" for c in "ABC")


def test_the_column_is_found_wherever_it_stands_and_rows_are_numbered_as_in_excel(
    tmp_path: Path,
) -> None:
    path = tmp_path / "名单.xlsx"
    rows: Rows = [
        [],
        [None, "昵称", "用户标识"],
        [None, "甲", B],
        [None, None, None],
        [None, "乙", A],
        [None, "丙", 12345],
        [None, "丁", f" {B}\n"],
        [None, "戊", None],
    ]
    path.write_bytes(xlsx({"说明": [["只是说明"]], "名单": rows}))
    with audience.read(path) as found:
        assert openids_of(found) == [A, B]
        assert found.malformed.sample == ((6, "12345"), (8, ""))
        assert found.duplicate.sample == ((7, B),)
        assert found.read == 5


def test_a_sheet_without_a_header_may_hold_openids_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(xlsx({"Sheet1": [[None, A], [None, B], [None, "x", "y"], [], [C]]}))
    with audience.read(path) as found:
        assert openids_of(found) == [A, B, C]
        assert found.malformed.sample == ((3, "x,y"),)


def test_a_workbook_may_come_as_a_stream() -> None:
    with audience.read(io.BytesIO(xlsx({"s": [["OpenID"], [A], [B]]}))) as found:
        assert openids_of(found) == [A, B]


@pytest.mark.parametrize(
    ("sheets", "message_id", "facts"),
    [
        (
            {"一": [["openid"], [A], [B]], "二": [["openid"], [C]]},
            "error.audience.sheets",
            {"sheets": "一, 二"},
        ),
        (
            {"一": [["姓名", "手机"], ["甲", A]]},
            "error.audience.no_column",
            {"columns": "姓名, 手机"},
        ),
        (
            {"一": [["openid", "用户标识"], [A, B], [B, A]]},
            "error.audience.columns",
            {"columns": "openid (1), 用户标识 (2)"},
        ),
        ({"一": []}, "error.audience.no_column", {"columns": "-"}),
        ({"一": [["openid"], [A]]}, "error.audience.single", {"openid": A}),
    ],
)
def test_a_workbook_that_cannot_be_used_says_why(
    tmp_path: Path, sheets: dict[str, Rows], message_id: str, facts: dict[str, str]
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(xlsx(sheets))
    with pytest.raises(AudienceError) as error:
        audience.read(path)
    assert error.value.message_id == message_id
    assert error.value.facts == {"source": path, **facts}


@pytest.mark.parametrize("data", [b"PK\x03\x04 no zip at all", xlsx({"s": [["openid"]]})[:-40]])
def test_a_broken_workbook_is_no_list(data: bytes) -> None:
    with pytest.raises(AudienceError) as error:
        audience.read(io.BytesIO(data))
    assert error.value.message_id == "error.audience.workbook"


def test_a_workbook_may_come_through_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = xlsx({"s": [["openid"], [A], [B]]})
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    with audience.read(path) as found:
        assert openids_of(found) == [A, B]
    writer.join()
