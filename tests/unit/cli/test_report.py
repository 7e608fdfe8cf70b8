from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.attempts import Reason
from broadcast.reports import SETS, SKIPS, BatchLine, LaneView, Report
from broadcast.states import BatchState, BroadcastState
from cli import report

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
    return [line.partition(":")[0] for line in report.standing(told(state, lane, **facts))]


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
