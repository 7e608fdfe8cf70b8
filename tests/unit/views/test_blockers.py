"""Why something makes no call: how often what happened, the fix, and one command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from broadcast.enums import recognised
from broadcast.message import Message
from broadcast.rules.calls.outcomes import Endpoint, Outcome, SendPath, meaning
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.reports import SETS, LaneView
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.views import blocker_lines, errcode_words
from broadcast.views.texts import LANGUAGES, Language, Texts
from broadcast.views.words import Meaning, Shortened
from tests.unit.views.reports import (
    BOTH,
    EN,
    FREE,
    HALTED,
    LATER,
    NOW,
    STOPPED,
    batch,
    of_account,
    of_batches,
    own,
    refused,
    report,
    stopped,
)

S = BroadcastState
DOUBTS = stopped(
    closed_at=NOW,
    reason=Reason.TOO_MANY_DOUBTS,
    count=3,
    broadcasts=("20261127-abcdef", "20261127-fedcba"),
)

USED_UP = replace(
    FREE,
    gates=(of_account(GateKind.QUOTA, reason=Reason.QUOTA_TODAY, until=NOW + timedelta(hours=6)),),
)
STRANGE = replace(FREE, gates=(of_account(recognised(GateKind, "quiet_hours")),))


def ids(state: BroadcastState, lane: LaneView, **facts: Any) -> list[str]:
    return [line.id for line in blocker_lines.blocker_lines(report(state, lane, **facts))]


OF_SENDALL = replace(
    FREE,
    gates=(
        replace(
            of_account(GateKind.STOP, reason=Reason.QUOTA_MONTH, errcode=45028),
            scope=GateScope.PATH,
            path=SendPath.SENDALL,
        ),
    ),
)


def test_a_stop_of_one_interface_is_no_stop_of_the_other() -> None:
    lanes = blocker_lines.Lanes(by_account={"shop": OF_SENDALL}, now=NOW)

    [told] = lanes.stops("shop")
    assert EN(told).startswith("Stopped: sends of account shop to a tag or to everybody")
    assert "lists of OpenIDs go on" in EN(told)
    # When the day and the month turn in Shanghai after it.
    assert len(re.findall(r"00:00", EN(told))) == 2
    assert [line.id for line in lanes.stops("shop", SendPath.SENDALL)] == [told.id]
    assert not list(lanes.stops("shop", SendPath.MASS_SEND))


def test_a_day_without_calls_on_one_interface_does_not_keep_the_other_waiting() -> None:
    [gate] = USED_UP.gates
    lane = replace(USED_UP, gates=(replace(gate, scope=GateScope.PATH, path=SendPath.SENDALL),))
    lanes = blocker_lines.Lanes(by_account={"shop": lane}, now=NOW)

    assert list(lanes.waits("shop", SendPath.SENDALL))
    assert not list(lanes.waits("shop", SendPath.MASS_SEND))


@pytest.mark.parametrize(
    ("lane", "wanted"),
    [
        (FREE, []),
        (HALTED, ["blocker.halted"]),
        (STOPPED, ["blocker.stopped"]),
        (BOTH, ["blocker.stopped", "blocker.halted_as_well"]),
        (USED_UP, ["blocker.account_waits_for_day"]),
        (STRANGE, ["blocker.newer_release"]),
    ],
)
@pytest.mark.parametrize("state", [S.SENDING, S.CANCELLED])
def test_an_account_that_stands_still_is_told_until_the_end(
    state: BroadcastState, lane: LaneView, wanted: list[str]
) -> None:
    assert ids(state, lane) == wanted


@pytest.mark.parametrize("lane", [HALTED, BOTH, USED_UP])
def test_what_has_ended_names_no_command_for_its_account_which_the_account_does(
    lane: LaneView,
) -> None:
    of_all = blocker_lines.Lanes(by_account={"shop": lane}, now=NOW)

    assert ids(S.COMPLETED, lane) == []
    assert list(of_all.stops("shop")) != []


def test_a_broadcast_held_by_its_account_alone_names_no_other_command() -> None:
    assert ids(S.HELD, BOTH) == ["blocker.stopped", "blocker.halted_as_well"]


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({"gates": [own(GateKind.HOLD, reason=Reason.PLAN_DOES_NOT_FIT)]}, "blocker.does_not_fit"),
        ({"gates": [own(GateKind.HOLD, reason=Reason.MISSED_TIME)]}, "blocker.missed_at_once"),
        (
            {
                "recipients": dict.fromkeys(SETS, 0) | {"accepted": 5, "in_doubt": 5},
                "batches": {"total": 2, "waiting": 0, "in_doubt": 1},
            },
            "blocker.in_doubt_one",
        ),
    ],
)
def test_a_broadcast_held_for_a_reason_of_its_own_tells_it_beside_the_halt(
    own: Mapping[str, Any], wanted: str
) -> None:
    assert ids(S.HELD, HALTED, **own) == ["blocker.halted", wanted]


def test_a_held_broadcast_of_a_free_account_always_names_a_command() -> None:
    assert ids(S.HELD, FREE) == ["blocker.held"]


def test_a_paused_broadcast_of_a_halted_account_tells_both() -> None:
    paused = [own(GateKind.PAUSE)]
    assert ids(S.PAUSED, HALTED, gates=paused) == ["blocker.halted", "blocker.paused_by"]


def test_a_wait_is_told_where_nothing_stands_still() -> None:
    assert ids(S.SENDING, LATER) == ["blocker.account_waits_for_day"]
    throttled = replace(LATER, wait_reason=Reason.THROTTLED)
    assert ids(S.SENDING, throttled) == ["blocker.account_waits"]


@pytest.mark.parametrize(
    ("by_time", "wanted"),
    [(GateKind.QUOTA, []), (GateKind.COOLING_OFF, []), (GateKind.SCHEDULE, ["scheduled_off"])],
)
@pytest.mark.parametrize(
    ("lane", "gates", "told"),
    [
        (HALTED, [], "halted"),
        (FREE, [GateKind.HOLD], "held"),
        (FREE, [GateKind.PAUSE], "paused_by"),
    ],
)
def test_no_wait_is_promised_to_end_by_itself_while_another_one_waits_for_a_person(
    by_time: GateKind, wanted: list[str], *, lane: LaneView, gates: list[GateKind], told: str
) -> None:
    waits = own(by_time, until=NOW + timedelta(hours=10))
    closed = [waits, *map(own, gates)]
    if "paused_by" in told and wanted:
        wanted = ["scheduled_paused"]

    assert ids(S.HELD, lane, gates=closed) == [f"blocker.{one}" for one in (told, *wanted)]
    assert ids(S.SENDING, FREE, gates=[waits]) != []


def test_the_end_of_a_day_is_no_promise_while_the_account_is_halted() -> None:
    lane = replace(LATER, gates=(*HALTED.gates, *USED_UP.gates))
    lanes = blocker_lines.Lanes(by_account={"shop": lane}, now=NOW)

    assert [line.id for line in lanes.stops("shop")] == ["blocker.halted"]


def test_a_pause_for_refusals_tells_how_many_and_what_they_mean() -> None:
    broken = own(GateKind.BREAKER, reason=Reason.TOO_MANY_REFUSALS, errcode=40003, count=3)
    paused = report(S.PAUSED, gates=[broken])

    [line] = blocker_lines.blocker_lines(paused)

    assert line == Message(
        "blocker.paused_for_refusals", n=3, code=40003, meaning=Meaning(40003), id=paused.id
    )


@pytest.mark.parametrize(
    ("reason", "code", "wanted", "command"),
    [
        (Reason.CONTENT_REFUSED, 45002, "blocker.paused_for_content", "broadcast cancel"),
        (Reason.CONTENT_REFUSED, 43004, "blocker.paused_for_a_while", "broadcast resume"),
        (Reason.QUOTA_MONTH, 45028, "blocker.paused_for_month", "broadcast resume"),
    ],
)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_pause_by_one_refusal_tells_the_command(
    reason: Reason, code: int, wanted: str, command: str, *, lang: Language
) -> None:
    broken = own(GateKind.BREAKER, reason=reason, errcode=code)

    [line] = blocker_lines.blocker_lines(report(S.PAUSED, gates=[broken]))

    assert line.id == wanted
    words = Texts(lang)(line)
    assert str(code) in words
    assert words.endswith(f"{command} 20261127-abcdef")


@pytest.mark.parametrize(
    "other",
    [
        batch(1, state=BatchState.ACCEPTED),
        batch(1, state=BatchState.IN_DOUBT),
        batch(1, state=BatchState.UNKNOWN),
        batch(1, state=BatchState.CALLING),
        batch(1, state=BatchState.REFUSED, reason=Reason.SAID_NOT_SENT),
    ],
)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_content_refused_in_the_middle_is_never_to_be_sent_to_the_same_list(
    other: Any, lang: Language
) -> None:
    middle = of_batches(
        S.PAUSED,
        other,
        refused(2, 45002, reason=Reason.CONTENT_REFUSED),
        batch(3),
        gates=[own(GateKind.BREAKER, reason=Reason.CONTENT_REFUSED, errcode=45002)],
    )

    line, *doubts = blocker_lines.blocker_lines(middle)

    assert line.id == "blocker.paused_for_content_in_part"
    assert [one.id for one in doubts] == ["blocker.in_doubt_one"] * middle.batches["in_doubt"]
    assert "broadcast" not in Texts(lang)(line)


def test_a_stop_for_doubts_names_their_broadcasts() -> None:
    [line] = blocker_lines.of_account("shop", DOUBTS, NOW)

    assert line.id == "blocker.stopped_for_doubts"
    assert line.facts["ids"] == Shortened(DOUBTS.gates[0].broadcasts)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_stop_for_doubts_names_both_commands(lang: Language) -> None:
    [line] = map(Texts(lang), blocker_lines.of_account("shop", DOUBTS, NOW))

    assert "--batch N --sent" in line
    assert line.endswith("broadcast unhalt --account shop")


@pytest.mark.parametrize("code", sorted(errcode_words.OF_ACCOUNTS))
def test_a_code_that_stops_an_account_has_its_own_fix(code: int) -> None:
    assert meaning(Endpoint.MASS_SEND, code).outcome in {Outcome.STOP_ACCOUNT, Outcome.TOKEN}

    [line] = blocker_lines.of_account("shop", stopped(errcode=code), NOW)

    assert line.facts["fix"] == Message(f"fix.account.{code}")


def test_any_other_stop_is_to_be_fixed_all_the_same() -> None:
    [line] = blocker_lines.of_account("shop", stopped(errcode=45501), NOW)
    assert line.facts["fix"] == Message("fix.account")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nobody_is_told_to_unhalt_what_no_unhalt_opens(lang: Language) -> None:
    [line] = blocker_lines.of_account("shop", STRANGE, NOW)
    assert "unhalt" not in Texts(lang)(line)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_wait_for_another_day_names_the_quota_and_the_command_that_ends_it(
    lang: Language,
) -> None:
    """WeChat may have raised or cleared the quota meanwhile."""
    [line] = blocker_lines.of_account("shop", USED_UP, NOW)
    words = Texts(lang)(line)
    assert "broadcast quota --account shop" in words
    assert words.endswith("broadcast unhalt --account shop")
