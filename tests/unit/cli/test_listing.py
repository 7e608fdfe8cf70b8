from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState
from broadcast.views.texts import LANGUAGES, Language, Texts
from entrypoints.cli.commands.status import table
from tests.unit.views.reports import HALTED, LATER, NOW, own, report


def drawn(found: list[Report], *, columns: int, lang: Language = "en") -> list[str]:
    console = Console(file=io.StringIO(), width=columns, highlight=False)
    with console.capture() as captured:
        console.print(table(found, Texts(lang), width=columns))
    return [line.rstrip() for line in captured.get().splitlines()]


def large(state: BroadcastState, account: str) -> Report:
    one = report(state, account=account)
    return replace(
        one,
        recipients=one.recipients | {"accepted": 990_000},
        audience=one.audience | {"planned": 1_000_000},
    )


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("columns", [80, 120])
def test_every_state_fits_on_one_line(lang: Language, columns: int) -> None:
    found = [large(state, "default") for state in BroadcastState]

    shown = drawn(found, columns=columns, lang=lang)

    assert len(shown) == 1 + len(BroadcastState), shown
    assert max(map(cell_len, shown)) <= columns
    assert all("990,000" in line and "1,000,000" in line for line in shown[1:])


def test_the_times_are_those_of_the_creation_and_the_zone_is_said() -> None:
    """A broadcast for later has a second time, which stands in its state."""
    found = [large(BroadcastState.SCHEDULED, "default")]

    assert "Created (Beijing" in drawn(found, columns=120)[0]
    assert " 14:00 " in drawn(found, columns=80)[1]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_at_80_columns_what_is_said_is_cut_and_no_figure_is(lang: Language) -> None:
    one = replace(large(BroadcastState.PARTIAL, "default"), title="六月会员日" * 9)

    shown = drawn([one], columns=80, lang=lang)

    assert max(map(cell_len, shown)) <= 80
    assert len(shown) == 2
    assert "六月会员日" in shown[1]
    assert "…" in shown[1]
    assert "990,000/1,000,000" in shown[1]


def test_accounts_are_named_where_there_are_several() -> None:
    one, other = large(BroadcastState.PAUSED, "north"), large(BroadcastState.PAUSED, "south")

    assert "north" not in "".join(drawn([one, one], columns=120))
    assert "north" in "".join(drawn([one, other], columns=120))


def test_what_waits_says_until_when_and_what_a_person_must_let_go_on_does_not() -> None:
    soon, tomorrow = NOW + timedelta(hours=6), NOW + timedelta(hours=30)
    schedule = own(GateKind.SCHEDULE, until=tomorrow)
    scheduled = report(BroadcastState.SCHEDULED, gates=(schedule,), scheduled_at=tomorrow)
    paused = report(BroadcastState.PAUSED, lane=LATER, gates=(own(GateKind.PAUSE),))

    shown = drawn([report(BroadcastState.WAITING, lane=LATER), scheduled, paused], columns=120)

    assert LATER.not_before == soon
    assert [line.split("  ")[-1] for line in shown[1:]] == [
        "waits until today 20:00",
        "scheduled, tomorrow 20:00",
        "paused",
    ]


def test_a_doubt_is_named_whatever_the_state() -> None:
    cancelled = report(BroadcastState.CANCELLED)
    doubtful = replace(cancelled, batches=cancelled.batches | {"in_doubt": 1})

    assert drawn([doubtful], columns=120)[1].endswith("cancelled · some in doubt")


def test_a_title_cannot_move_the_cursor() -> None:
    shown = drawn([replace(report(BroadcastState.PAUSED), title="a\x1b[2Jb")], columns=120)

    assert "a [2Jb" in shown[1]


def test_where_there_is_room_a_row_has_its_kind_and_its_sender() -> None:
    one = report(BroadcastState.PAUSED, created_by="cli:ann@desk")

    wide, narrow = drawn([one], columns=120)[1], drawn([one], columns=80)[1]

    assert "text: hello" in wide
    assert wide.endswith("cli:ann@desk")
    assert "cli:ann" not in narrow


def test_what_only_its_account_holds_is_not_said_to_be_held() -> None:
    held = report(BroadcastState.HELD, lane=HALTED)
    paused = report(BroadcastState.PAUSED, lane=HALTED, gates=(own(GateKind.PAUSE),))
    both = report(BroadcastState.HELD, lane=HALTED, gates=(own(GateKind.HOLD),))

    shown = drawn([held, paused, both], columns=80)

    assert shown[1].endswith("  account off")
    assert shown[2].endswith("  paused · account off")
    assert shown[3].endswith("  held · account off"), "unhalt alone does not continue it"
