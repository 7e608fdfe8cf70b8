from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from broadcast.errors import AudienceError
from producer.audience import openid_list
from tests.unit.audience.naive import openids_of
from tests.unit.audience.workbooks import Rows, ods, xlsx

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
    with openid_list.read(path) as found:
        assert openids_of(found) == [A, B]
        assert found.malformed.sample == ((6, "12345"), (8, ""))
        assert found.duplicate.sample == ((7, B),)
        assert found.read == 5


def test_a_sheet_without_a_header_may_hold_openids_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(xlsx({"Sheet1": [[None, A], [None, B], [None, "x", "y"], [], [C]]}))
    with openid_list.read(path) as found:
        assert openids_of(found) == [A, B, C]
        assert found.malformed.sample == ((3, "x,y"),)


def test_a_workbook_may_come_as_a_stream() -> None:
    with openid_list.read(io.BytesIO(xlsx({"s": [["OpenID"], [A], [B]]}))) as found:
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
        openid_list.read(path)
    assert error.value.message_id == message_id
    assert error.value.facts == {"source": path, **facts}


@pytest.mark.parametrize("data", [b"PK\x03\x04 no zip at all", xlsx({"s": [["openid"]]})[:-40]])
def test_a_broken_workbook_is_no_list(data: bytes) -> None:
    with pytest.raises(AudienceError) as error:
        openid_list.read(io.BytesIO(data))
    assert error.value.message_id == "error.audience.workbook"


def test_a_workbook_may_come_through_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = xlsx({"s": [["openid"], [A], [B]]})
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    with openid_list.read(path) as found:
        assert openids_of(found) == [A, B]
    writer.join()


LIST: Rows = [["昵称", "openid"], ["甲", A], ["乙", B], ["丙", C], []]


@pytest.mark.parametrize(
    "data",
    [
        xlsx({"说明": [["x"]], "名单": LIST}, hidden_rows=[3]),
        ods({"说明": [["x"]], "名单": LIST}, hidden_rows=[3], how="filter"),
        ods({"名单": LIST}, hidden_rows=[3], how="collapse"),
    ],
    ids=["xlsx", "ods-filter", "ods-collapse"],
)
def test_a_list_with_hidden_rows_is_refused(data: bytes) -> None:
    """Whoever filtered it means the rows that are left, perhaps; nobody else can know."""
    with pytest.raises(AudienceError) as error:
        openid_list.read(io.BytesIO(data))
    assert error.value.message_id == "error.audience.hidden_rows"
    assert error.value.facts["sheet"] == "名单"


@pytest.mark.parametrize(
    "data",
    [
        xlsx({"名单": LIST}, hidden_rows=[5]),
        xlsx({"名单": LIST, "说明": [["a"], ["b"]]}, hidden_sheets=["说明"]),
        ods({"名单": LIST, "说明": [["a"]] * 7}, hidden_rows=[6], how="filter"),
    ],
    ids=["an empty row", "a sheet of other things", "a row of another sheet"],
)
def test_what_is_hidden_and_holds_no_openid_is_nothing_to_ask_about(data: bytes) -> None:
    with openid_list.read(io.BytesIO(data)) as found:
        assert openids_of(found) == [A, B, C]


def test_a_list_on_a_hidden_sheet_is_refused() -> None:
    data = xlsx({"说明": [["x"]], "名单": LIST}, hidden_sheets=["名单"])
    with pytest.raises(AudienceError) as error:
        openid_list.read(io.BytesIO(data))
    assert error.value.message_id == "error.audience.hidden_sheet"


def test_a_hidden_row_is_found_wherever_in_a_long_sheet_it_stands() -> None:
    """The text of a sheet is looked through in pieces, and a row may lie on a border."""
    rows: Rows = [["openid"], *([f"o{n:027d}"] for n in range(30_000))]
    for hidden in (2, 9_000, 17_777, 30_001):
        with pytest.raises(AudienceError, match="hidden_rows"):
            openid_list.read(io.BytesIO(xlsx({"s": rows}, hidden_rows=[hidden])))
