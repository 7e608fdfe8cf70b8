from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from broadcast.message import Message
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.drafts import Mark
from broadcast.rules.reports import (
    BatchLine,
    Did,
    DraftView,
    OperatorAction,
    OperatorActions,
    Repeat,
    Report,
)
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.views import content, next_steps, report_lines
from broadcast.views.words import Meaning, Moment, code_of, speaker
from tests.unit.views.reports import EN, FREE, HALTED, NOW, ZH, batch, of_batches, refused, report

S = BroadcastState
SOON = NOW + timedelta(minutes=1)


def lines(of: Report, **facts: Any) -> dict[str, Message]:
    """The lines by their ids."""
    told = report_lines.report_lines(of, facts.get("repeats", ()), facts.get("skipped", {}))
    return {line.id: line for line in told}


def actions(done: OperatorActions, of: Report | None = None) -> list[Message]:
    there = replace(of or report(S.SENDING), operator_actions=done)
    return list(next_steps.action_lines(there))


def troubled(line: BatchLine, **facts: Any) -> Message:
    of = of_batches(S.SENDING, line, **facts)
    [told] = [one for one in lines(of).values() if one.id in {"report.troubled_one", "together"}]
    if told.id == "together":
        [told, _] = told.facts["parts"].parts  # type: ignore[attr-defined]
    return told


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
def test_batches_of_one_size_are_told_without_a_range(sizes: list[int], en: str, zh: str) -> None:
    there = report(S.SENDING, batch_list=[batch(n, size) for n, size in enumerate(sizes, 1)])

    line = lines(there)["report.batches"]

    assert (EN(line), ZH(line)) == (en, zh)


def test_one_of_a_kind_is_told_in_the_singular() -> None:
    held = of_batches(
        S.HELD,
        batch(1, state=BatchState.IN_DOUBT),
        refused(3, 40003),
        audience=report(S.HELD).audience | {"malformed": 1},
    )

    told = list(report_lines.report_lines(held, [], {"malformed": [(7, "x")]}))

    assert "blocker.in_doubt_one" in [line.id for line in told]
    assert any("1 malformed (line 7)" in EN(line) for line in told)
    assert any(EN(line).startswith("Batch 3: refused") for line in told)


def test_the_end_is_told_once_there_is_one() -> None:
    ended = report(S.COMPLETED, finished_at=NOW, created_at=NOW - timedelta(minutes=9))

    assert "report.times" in lines(report(S.SENDING))
    assert lines(ended)["report.times_ended"].facts == {
        "created": Moment(NOW - timedelta(minutes=9), NOW),
        "who": "?",
        "ended": Moment(NOW, NOW),
    }


def test_what_is_held_for_doubts_is_not_said_to_have_ended() -> None:
    held = of_batches(S.HELD, batch(1, state=BatchState.IN_DOUBT), finished_at=NOW)

    assert "report.times_ended" not in lines(held)


def test_a_batch_that_was_refused_for_a_while_is_not_said_never_to_have_been_called() -> None:
    """45009: its call was made, and nothing was sent."""
    called = batch(
        1, attempts=1, errcode=45009, reason=Reason.QUOTA_TODAY, not_before=SOON, is_fixed=True
    )
    new = replace(called, is_fixed=False)

    assert troubled(called).facts["state"] == Message("state.batch.called_before")
    assert troubled(new).facts["state"] is BatchState.PLANNED
    assert "not called yet" not in EN(troubled(called))


def test_a_batch_whose_reason_is_an_errcode_is_told_what_that_means() -> None:
    refused = batch(1, attempts=1, errcode=40001, not_before=SOON, is_fixed=True)

    assert troubled(refused).facts["reason"] == Meaning(40001)
    assert "no reason recorded" not in EN(troubled(refused))


@pytest.mark.parametrize(
    ("errcode", "lane", "wanted"),
    [
        (None, FREE, "reason.repeat_unknown"),
        (-1, FREE, "reason.repeat_answered"),
        (None, HALTED, "reason.repeat_unknown_later"),
        (-1, HALTED, "reason.repeat_answered_later"),
    ],
)
def test_a_reply_that_came_is_not_said_to_be_lost(
    errcode: int | None, lane: Any, wanted: str
) -> None:
    line = batch(
        1,
        state=BatchState.UNKNOWN,
        attempts=1,
        reason=Reason.REPEAT_UNKNOWN,
        errcode=errcode,
        not_before=SOON,
    )

    told = troubled(line, lane=lane)

    assert told.facts["reason"] == Message(wanted)
    assert told.facts["code"] == code_of(errcode)
    assert ("lost" in EN(told)) == (errcode is None)


def test_batches_that_were_called_again_are_one_line_a_cause() -> None:
    lost = [
        Repeat(n=n, number=number, outcome=None, errcode=None, transport="reset")
        for n, number in ((1, 1), (1, 2), (3, 1))
    ]
    refused_once = Repeat(n=2, number=1, outcome=Outcome.TOKEN, errcode=40001, transport=None)

    told = [
        line
        for line in report_lines.report_lines(report(S.SENDING), [refused_once, *lost], {})
        if line.id.startswith("report.repeat")
    ]

    assert [(line.id, line.facts["calls"]) for line in told] == [
        ("report.repeat", 3),
        ("report.repeat_one", 1),
    ]
    assert [line.facts["why"] for line in told] == [
        Message("report.why", why=Message("transport.reset")),
        code_of(40001),
    ]
    assert "Earlier calls of batches 1, 3 (3) ended" in EN(told[0])


@pytest.mark.parametrize(
    ("done", "what"),
    [
        ({"did": Did.PAUSE}, "paused (pause)"),
        ({"did": Did.RESUME}, "resumed (resume)"),
        ({"did": Did.CANCEL}, "cancelled (cancel)"),
        ({"did": Did.RETRY, "batches": 3}, "retried (retry), refused batches called again: 3"),
        (
            {"did": Did.RESOLVE, "batch": 2, "sent": True, "msg_id": 99},
            "batch 2 marked as sent (resolve --sent 99)",
        ),
        (
            {"did": Did.RESOLVE, "batch": 2, "sent": True},
            "batch 2 marked as sent (resolve --sent)",
        ),
        (
            {"did": Did.RESOLVE, "batch": 2, "sent": False},
            "batch 2 marked as not sent (resolve --not-sent)",
        ),
        ({"did": Did.HALT, "account": "shop"}, "account shop halted (halt)"),
        ({"did": Did.UNHALT, "account": "shop"}, "account shop unhalted (unhalt)"),
    ],
)
def test_what_a_person_did_is_told_with_when_who_and_why(done: dict[str, Any], what: str) -> None:
    at = NOW - timedelta(minutes=5)
    action = OperatorAction(at=at, who="cli:ann@desk", why="a typo", **done)

    _, line = actions(OperatorActions(actions=[action], earlier=0))

    assert line.facts["at"] == Moment(at, NOW)
    assert line.facts["who"] == speaker("cli:ann@desk", "a typo")
    assert f": {what}, by cli:ann@desk (“a typo”)" in EN(line)


def test_actions_that_are_not_shown_are_counted_and_no_action_takes_no_line() -> None:
    done = OperatorAction(at=NOW, who="cli:ann@desk", why=None, did=Did.PAUSE)

    shown = actions(OperatorActions(actions=[done], earlier=4))

    assert shown[1] == Message("operator_action.earlier", n=4)
    assert len(shown) == 3
    assert actions(OperatorActions(actions=[], earlier=0)) == []


@pytest.mark.parametrize(
    ("did", "state", "lane"),
    [
        (Did.PAUSE, S.PAUSED, FREE),
        (Did.CANCEL, S.CANCELLED, FREE),
        (Did.HALT, S.SENDING, HALTED),
    ],
)
def test_what_stands_above_the_actions_is_not_said_twice(
    did: Did, state: BroadcastState, lane: Any
) -> None:
    older, newer = (
        OperatorAction(at=NOW - timedelta(minutes=n), who="cli:ann@desk", why=None, did=did)
        for n in (9, 5)
    )
    done = OperatorActions(actions=[older, newer], earlier=0)

    shown = actions(done, of=report(state, lane))

    assert [line.facts["at"] for line in shown[1:]] == [Moment(older.at, NOW)]
    assert len(actions(done)) == 3


def test_a_priority_is_told_where_it_is_not_the_usual_one() -> None:
    assert lines(report(S.SENDING, priority=-7))["report.priority"].facts == {"n": -7}
    assert "report.priority" not in lines(report(S.SENDING))


def test_a_broadcast_of_a_draft_goes_by_its_title_where_that_is_known() -> None:
    article = '{"msgtype": "mpnews", "mpnews": {"media_id": "' + "D" * 43 + '"}}'
    unread = DraftView(media_id="D" * 43, approved=None, seen=None, looked_at=None)
    there = replace(report(S.SENDING), title=None, msgtype="mpnews", content=article, draft=unread)

    assert content.name(there) == "D" * 39 + "…"
    assert content.name(replace(there, draft=replace(unread, seen=(Mark(title="周报"),)))) == "周报"
