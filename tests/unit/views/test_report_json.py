"""The object of a report, as programs read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import Cause, Gate, GateKind, GateScope
from broadcast.rules.reports import (
    SETS,
    SKIPS,
    BatchLine,
    Did,
    LaneView,
    OperatorAction,
    OperatorActions,
    Report,
)
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.views.json_objects import as_json, forbidden, in_a_list
from tests.unit.views.reports import STOPPED, of_account

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)
FREE = LaneView(not_before=None, wait_reason=None)
LINE = BatchLine(
    n=1,
    size=3,
    state=BatchState.ACCEPTED,
    reason=None,
    errcode=None,
    errmsg=None,
    msg_id=3_147_483_648,
    attempts=1,
    not_before=None,
)
TOLD = Report(
    id="20260301-abcdef",
    account="default",
    key="周五",
    phase=Phase.ENDED,
    state=BroadcastState.COMPLETED,
    msgtype="text",
    audience={"read": 3, **dict.fromkeys(SKIPS, 0), "planned": 3},
    recipients={**dict.fromkeys(SETS, 0), "accepted": 3},
    batches={**dict.fromkeys(SETS, 0), "total": 1, "accepted": 1},
    batch_list=[LINE],
    calls=1,
    results_due=1,
    lane=FREE,
    late_by=timedelta(minutes=15),
    created_at=AT,
    scheduled_at=None,
    started_at=AT.astimezone(timezone(timedelta(hours=8))),
    finished_at=AT,
    now=AT,
    content='{"msgtype":"text","text":{"content":"周五见"}}',
    created_by="cli:ann@desk",
)


def test_it_is_json_of_plain_words_and_numbers() -> None:
    told = json.loads(json.dumps(as_json(TOLD)))

    assert (told["id"], told["state"], told["key"]) == ("20260301-abcdef", "completed", "周五")
    assert told["batch_list"] == [
        {
            "n": 1,
            "size": 3,
            "state": "accepted",
            "msg_id": 3_147_483_648,
            "attempts": 1,
            "errcode": None,
            "reason": None,
            "not_before": None,
            "finish": None,
            "msg_status": None,
            "verified": True,
        },
    ]
    assert told["content"] == {"msgtype": "text", "preview": "周五见"}
    assert (told["created_by"], told["title"]) == ("cli:ann@desk", None)
    assert told["error"] is None


@pytest.mark.parametrize("page", ["json.md", "json.zh.md"])
def test_every_key_is_in_the_document(page: str) -> None:
    done = [OperatorAction(at=AT, who="cli:a@b", did=did, why=None) for did in Did]
    pause = Gate(
        id=1,
        scope=GateScope.BROADCAST,
        kind=GateKind.PAUSE,
        account="default",
        broadcast_id=TOLD.id,
        path=None,
        closed_at=AT,
        closed_by="cli:a@b",
    )
    paused = replace(
        TOLD,
        state=BroadcastState.PAUSED,
        phase=Phase.SENDING,
        gates=[pause],
        operator_actions=OperatorActions(actions=done, earlier=0),
    )
    told = as_json(paused)
    assert told["content"] is not None
    parts = [
        told["content"],
        *told["batch_list"],
        *told["blockers"],
        *told["operator_actions"],
        told["audience"],
        told["recipients"],
    ]
    keys = {*told, *told["delivered"], *(key for part in parts for key in part)}
    words = {*BatchState, *BroadcastState, *Did, *Cause} - {"awaiting_approval"}

    document = (ROOT / "docs" / page).read_text(encoding="utf-8")

    assert {word for word in keys | words if f"`{word}`" not in document} == set()


def test_moments_are_in_utc_to_the_millisecond_wherever_they_come_from() -> None:
    told = as_json(TOLD)

    assert told["created_at"] == told["started_at"] == "2026-03-01T12:00:00.123Z"
    assert told["scheduled_at"] is None


def test_a_figure_that_is_not_known_is_null_and_never_0() -> None:
    """Before a list is resolved, and where WeChat alone has it."""
    unknown: dict[str, Any] = {"audience": TOLD.audience | {"planned": None}}

    assert as_json(replace(TOLD, **unknown))["audience"]["planned"] is None


@pytest.mark.parametrize(
    ("content", "preview"),
    [
        ({"msgtype": "text", "text": {"content": "one\n two  three"}}, "one two three"),
        ({"msgtype": "text", "text": {"content": "x" * 41}}, "x" * 39 + "…"),
        ({"msgtype": "image", "images": {"media_ids": ["a", "b"]}}, "a"),
        ({"msgtype": "voice", "voice": {"media_id": "m"}}, "m"),
        ({"msgtype": "mpvideo", "mpvideo": {"media_id": "m", "title": "Friday"}}, "Friday"),
        ({"msgtype": "mpnews", "mpnews": {"media_id": "m"}}, "m"),
        ({"msgtype": "wxcard", "wxcard": {"card_id": "c"}}, "c"),
    ],
)
def test_a_content_is_told_by_its_first_words_or_by_what_wechat_calls_it(
    content: dict[str, Any], preview: str
) -> None:
    told = as_json(replace(TOLD, content=json.dumps(content)))["content"]
    assert told == {"msgtype": content["msgtype"], "preview": preview}


def test_in_a_list_it_comes_without_its_batches() -> None:
    assert as_json(TOLD) == in_a_list(TOLD) | {"batch_list": as_json(TOLD)["batch_list"]}
    assert "batch_list" not in in_a_list(TOLD)


def test_an_account_whose_lane_a_restore_closed_says_since_when_and_why() -> None:
    gate = of_account(GateKind.RESTORED, reason=Reason.COUNTER_BEHIND)
    told = forbidden(replace(FREE, gates=(gate,)))

    assert (told["halted"], told["stopped"]) == (None, None)
    assert set(told["restored"]) == {"at", "reason"}
    assert told["restored"]["reason"] == "counter_behind"


def test_a_stop_of_one_interface_names_it_and_that_of_the_account_goes_first() -> None:
    path = replace(
        of_account(GateKind.STOP, reason=Reason.ACCOUNT_STOPPED, errcode=45159),
        scope=GateScope.PATH,
        path=SendPath.SENDALL,
    )
    alone = forbidden(replace(FREE, gates=(path,)))["stopped"]
    first = forbidden(replace(FREE, gates=(path, *STOPPED.gates)))["stopped"]

    assert (alone["path"], alone["errcode"]) == ("sendall", 45159)
    assert (first["path"], first["errcode"]) == (None, 48001)
    assert forbidden(FREE) == {"halted": None, "stopped": None, "restored": None}
