"""A broadcast of which nobody can count the followers yet, or ever."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from broadcast.rules.plan.audience import Audience, Everyone, Followers, OpenIDs, Tag
from broadcast.rules.reports import SETS, Report
from broadcast.rules.states import BroadcastState, Phase
from broadcast.views import report_lines
from broadcast.views.json_objects import as_json
from entrypoints.cli.following import _line
from entrypoints.cli.progress import Bar
from entrypoints.cli.terminal import Terminal
from tests.unit.views.reports import EN, ZH, report

S = BroadcastState
STATES = {
    Phase.UPLOADING: S.UPLOADING,
    Phase.PLANNING: S.PLANNING,
    Phase.SENDING: S.SENDING,
    Phase.ENDED: S.COMPLETED,
}
OF_WECHAT = "report.sets_unknown"
NOT_TAKEN = "report.sets_not_taken"
STORED = "report.sets_uploading"
UNPLANNED = "report.sets_unplanned"
COUNTED = "report.sets"


def uncounted(audience: Audience, phase: Phase, calls: int = 0) -> Report:
    """A broadcast to *audience* before it is known how many there are."""
    given: dict[str, Any] = {
        "phase": phase,
        "content": '{"msgtype":"text","text":{"content":"x"}}',
        "audience_kind": audience.kind,
        "path": audience.path,
        "audience": report(S.SENDING).audience | {"read": 0, "planned": None},
        "recipients": dict.fromkeys(SETS),
        "batches": dict.fromkeys(("total", "finished", *SETS), 0) | {"total": calls},
        "batch_list": [],
    }
    return report(STATES[phase], **given)


EACH = [
    (Tag(tag_id=2), Phase.UPLOADING, OF_WECHAT),
    (Tag(tag_id=2), Phase.PLANNING, OF_WECHAT),
    (Tag(tag_id=2), Phase.SENDING, OF_WECHAT),
    (Tag(tag_id=2), Phase.ENDED, NOT_TAKEN),
    (Everyone(), Phase.PLANNING, OF_WECHAT),
    (Everyone(), Phase.SENDING, OF_WECHAT),
    (Everyone(), Phase.ENDED, NOT_TAKEN),
    (Followers(), Phase.PLANNING, UNPLANNED),
    (Followers(), Phase.ENDED, "report.sets_never_planned"),
    (OpenIDs(digest="d"), Phase.UPLOADING, STORED),
]


@pytest.mark.parametrize(("audience", "phase", "wanted"), EACH)
def test_what_nobody_can_count_is_told_by_whose_list_it_is(
    audience: Audience, phase: Phase, wanted: str
) -> None:
    found = uncounted(audience, phase)

    assert report_lines.sets(found).id == wanted
    for line in report_lines.report_lines(found, [], {}):
        assert "None" not in EN(line) + ZH(line)
    told = json.loads(json.dumps(as_json(found)))
    assert (told["audience"]["planned"], told["recipients"]) == (None, dict.fromkeys(SETS))


@pytest.mark.parametrize("state", ["accepted", "in_doubt"])
def test_of_wechat_s_own_list_it_counts_what_it_took_or_may_have_taken(state: str) -> None:
    found = uncounted(Everyone(), Phase.ENDED, calls=1)
    taken = replace(found, batches={**found.batches, state: 1})

    assert report_lines.sets(taken).id == OF_WECHAT


@pytest.mark.parametrize("audience", [Followers(), OpenIDs(digest="d")])
@pytest.mark.parametrize("phase", [Phase.PLANNING, Phase.SENDING, Phase.ENDED])
def test_what_is_counted_is_told_in_its_sets(audience: Audience, phase: Phase) -> None:
    counted = report(STATES[phase], phase=phase, audience_kind=audience.kind, path=audience.path)

    assert report_lines.sets(counted).id == COUNTED


@pytest.mark.parametrize(("audience", "phase", "wanted"), EACH)
def test_whoever_follows_it_reads_its_state_and_no_figures_that_are_none(
    audience: Audience, phase: Phase, wanted: str
) -> None:
    del wanted
    found = uncounted(audience, phase)
    bar, drawn = Bar(Terminal(EN)), io.StringIO()

    bar.show(found)
    Console(file=drawn, width=80).print(bar.renderable)

    assert "0/0" not in drawn.getvalue()
    assert _line(found).facts == {"state": found.state}
    assert _line(uncounted(Everyone(), Phase.SENDING, calls=1)).facts["total"] == 1


def test_an_upload_is_not_said_to_have_read_nothing() -> None:
    found = uncounted(OpenIDs(digest="d"), Phase.UPLOADING)

    assert "report.audience" not in {line.id for line in report_lines.report_lines(found, [], {})}
