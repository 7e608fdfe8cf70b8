from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from broadcast.call.attempts import Reason
from broadcast.reports import SETS, SKIPS, BatchLine, Did, LaneView, OperatorAction, People, Report
from broadcast.states import BatchState, BroadcastState
from cli import report, ways
from cli.bar import Bar
from cli.following import Lines
from cli.standing import lines

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
FREE = LaneView(
    not_before=None, wait_reason=None, stopped_at=None, stop_reason=None, stop_errcode=None,
    stop_errmsg=None, halted_at=None, halted_by=None,
)  # fmt: skip
HALTED = replace(FREE, halted_at=NOW - timedelta(hours=1), halted_by="cli:ann@desk")
STOPPED = replace(
    FREE, stopped_at=NOW - timedelta(hours=2), stop_reason=Reason.ACCOUNT_STOPPED,
    stop_errcode=48001, stop_errmsg="api unauthorized",
)  # fmt: skip
BOTH = replace(STOPPED, halted_at=HALTED.halted_at, halted_by=HALTED.halted_by)
LATER = replace(FREE, not_before=NOW + timedelta(hours=6), wait_reason=Reason.QUOTA_TODAY)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")


def batch(n: int, size: int) -> BatchLine:
    return BatchLine(
        n=n, size=size, state=BatchState.PLANNED, reason=None, errcode=None, errmsg=None,
        msg_id=None, attempts=0, not_before=None,
    )  # fmt: skip


def told(state: BroadcastState, lane: LaneView = FREE, **facts: Any) -> Report:
    """A broadcast to ten, of whom all wait."""
    values: dict[str, Any] = {
        "id": "20261127-abcdef", "account": "shop", "key": "june", "state": state, "reason": None,
        "reason_errcode": None, "reason_errmsg": None,
        "audience": dict.fromkeys(("read", *SKIPS, "planned"), 0) | {"read": 10, "planned": 10},
        "recipients": dict.fromkeys(SETS, 0) | {"waiting": 10},
        "batches": dict.fromkeys(("total", "finished", *SETS), 0) | {"total": 2, "waiting": 2},
        "batch_list": [batch(1, 5), batch(2, 5)], "calls": 0, "results_due": 0, "lane": lane,
        "created_at": NOW, "scheduled_at": None, "started_at": None, "finished_at": None,
        "now": NOW,
    }  # fmt: skip
    return Report(**(values | facts))


def standing(state: BroadcastState, lane: LaneView, **facts: Any) -> list[str]:
    """The first words of each line."""
    return [line.partition(":")[0] for line in lines(told(state, lane, **facts))]


@pytest.mark.parametrize(
    ("lane", "wanted"),
    [
        (FREE, []),
        (HALTED, ["Halted by hand"]),
        (STOPPED, ["Stopped"]),
        (BOTH, ["Stopped", "Halted by hand as well"]),
    ],
)
@pytest.mark.parametrize("state", [BroadcastState.COMPLETED, BroadcastState.CANCELLED])
def test_an_account_that_stands_still_is_told_even_after_the_end(
    state: BroadcastState, lane: LaneView, wanted: list[str]
) -> None:
    assert standing(state, lane) == wanted


def test_a_broadcast_held_by_its_account_alone_names_no_other_command() -> None:
    assert standing(BroadcastState.HELD, BOTH) == ["Stopped", "Halted by hand as well"]


@pytest.mark.parametrize(
    "own",
    [
        {"reason": Reason.PLAN_DOES_NOT_FIT},
        {"recipients": dict.fromkeys(SETS, 0) | {"accepted": 5, "in_doubt": 5},
         "batches": {"total": 2, "waiting": 0, "in_doubt": 1}},
    ],
)  # fmt: skip
def test_a_broadcast_held_for_a_reason_of_its_own_tells_it_beside_the_halt(
    own: Mapping[str, Any],
) -> None:
    assert standing(BroadcastState.HELD, HALTED, **own) == ["Halted by hand", "Held"]


def test_a_held_broadcast_of_a_free_account_always_names_a_command() -> None:
    assert standing(BroadcastState.HELD, FREE) == ["Held"]


def test_a_paused_broadcast_of_a_halted_account_tells_both() -> None:
    assert standing(BroadcastState.PAUSED, HALTED) == ["Halted by hand", "Paused"]


def test_a_wait_is_told_where_nothing_stands_still() -> None:
    assert standing(BroadcastState.SENDING, LATER) == ["Waits"]


@pytest.mark.parametrize(
    ("sizes", "en", "zh"),
    [
        ([5, 5], "Batches: 2, of 5 followers · calls 0", "批次：2 个，每批 5 人 · 调用 0 次"),
        (
            [7501, 7500],
            "Batches: 2, of 7,500 to 7,501 followers · calls 0",
            "批次：2 个，每批 7,500 到 7,501 人 · 调用 0 次",
        ),
    ],
)
def test_batches_of_one_size_are_told_without_a_range(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], en: str, zh: str
) -> None:
    there = told(
        BroadcastState.SENDING, batch_list=[batch(n, size) for n, size in enumerate(sizes, 1)]
    )

    assert en in report.lines(there, [], {})
    monkeypatch.setenv("BROADCAST_LANG", "zh")
    assert zh in report.lines(there, [], {})


def refused(n: int, errcode: int) -> BatchLine:
    return replace(batch(n, 5), state=BatchState.REFUSED, errcode=errcode, errmsg="no")


def test_one_of_a_kind_is_told_in_the_singular() -> None:
    held = told(
        BroadcastState.HELD, batches={"total": 1, "waiting": 0, "in_doubt": 1},
        audience=told(BroadcastState.HELD).audience | {"malformed": 1},
        batch_list=[refused(3, 40003)],
    )  # fmt: skip

    shown = list(report.lines(held, [], {"malformed": [(7, "x")]}))

    assert any(line.startswith("Held: 1 batch in doubt is never") for line in shown)
    assert any("malformed 1 (line 7)" in line for line in shown)
    assert any(line.startswith("Batch 3: refused") for line in shown)


def test_the_end_is_told_once_there_is_one() -> None:
    running = told(BroadcastState.SENDING)
    ended = told(
        BroadcastState.COMPLETED, finished_at=NOW - timedelta(minutes=4), now=NOW,
        created_at=NOW - timedelta(minutes=9),
    )  # fmt: skip

    assert "ended" not in list(report.lines(running, [], {}))[-1]
    assert re.search(
        r"\(9 min ago\) · ended: .* \(4 min ago\)$", [*report.lines(ended, [], {})][-1]
    )


def test_the_codes_of_a_failed_broadcast_come_with_the_command_that_explains_them() -> None:
    codes = [refused(1, 45028), refused(2, 40003), refused(3, 40003)]

    failed = list(ways.explain(told(BroadcastState.FAILED, batch_list=codes)))
    sending = list(ways.explain(told(BroadcastState.SENDING, batch_list=codes)))

    assert [line.rpartition(": ")[2] for line in failed] == [
        "broadcast explain 40003", "broadcast explain 45028",
    ]  # fmt: skip
    assert sending == []


def test_before_it_is_cut_no_batches_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    uncut = told(BroadcastState.PLANNING, batches=dict.fromkeys(("total", "waiting"), 0))

    Lines().show(uncut)
    Lines().show(told(BroadcastState.SENDING))

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("accepted by WeChat 0 of 10")
    assert second.endswith("batches 0 of 2")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("state", BroadcastState)
def test_the_bar_fits_into_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, lang: str, state: BroadcastState
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", lang)
    monkeypatch.setenv("COLUMNS", "80")
    figures = dict.fromkeys(SETS, 0) | {"accepted": 1_000_000}
    bar = Bar()

    bar.show(
        told(state, recipients=figures, audience={"planned": 1_000_000},
             batches={"total": 100, "waiting": 0})
    )  # fmt: skip

    drawn = io.StringIO()
    Console(file=drawn, width=80).print(bar.renderable)
    assert "…" not in drawn.getvalue()


@pytest.mark.parametrize(
    ("deed", "what"),
    [
        ({"did": Did.PAUSE}, "paused (pause)"),
        ({"did": Did.RESUME}, "let go on (resume)"),
        ({"did": Did.CANCEL}, "cancelled (cancel)"),
        ({"did": Did.RETRY, "batches": 3}, "retried (retry), refused batches called again: 3"),
        ({"did": Did.RESOLVE, "batch": 2, "msg_id": 99}, "batch 2 was sent (resolve --sent 99)"),
        ({"did": Did.RESOLVE, "batch": 2}, "batch 2 was not sent (resolve --not-sent)"),
        ({"did": Did.HALT, "account": "shop"}, "account shop halted (halt)"),
        ({"did": Did.UNHALT, "account": "shop"}, "account shop let go on (unhalt)"),
    ],
)
def test_what_a_person_did_is_told_with_when_who_and_why(deed: dict[str, Any], what: str) -> None:
    done = OperatorAction(at=NOW - timedelta(minutes=5), who="cli:ann@desk", why="a typo", **deed)

    title, line = report.people(People(deeds=[done], earlier=0), NOW)

    assert title == "What people did:"
    when = "Fri 2026-11-27 13:55 Beijing time (5 min ago)"
    assert line == f"  {when}: {what}, by cli:ann@desk (“a typo”)"


def test_deeds_that_are_not_shown_are_counted_and_no_deed_takes_no_line() -> None:
    done = OperatorAction(at=NOW, who="cli:ann@desk", why=None, did=Did.PAUSE)

    shown = list(report.people(People(deeds=[done], earlier=4), NOW))

    assert shown[1].endswith("not shown: 4")
    assert shown[2].endswith("by cli:ann@desk")
    assert list(report.people(People(deeds=[], earlier=0), NOW)) == []


def test_a_priority_is_told_where_it_is_not_the_usual_one() -> None:
    def lines(priority: int) -> list[str]:
        one = told(BroadcastState.SENDING, priority=priority)
        return [line for line in report.lines(one, [], {}) if line.startswith("Priority")]

    [line] = lines(-7)
    assert line.startswith("Priority: -7 ")
    assert lines(0) == []
