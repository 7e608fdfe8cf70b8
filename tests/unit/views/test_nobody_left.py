"""An audience of which nobody is left is said to be so, and not to be without a plan."""

from __future__ import annotations

from broadcast.rules.reports import SETS
from broadcast.rules.states import BroadcastState, Phase
from broadcast.views import report_lines
from tests.unit.views.reports import EN, NOW, report

S = BroadcastState


def shown(phase: Phase, state: BroadcastState) -> str:
    told = report(
        state,
        phase=phase,
        published_at=NOW,
        batch_list=[],
        recipients=dict.fromkeys(SETS, 0),
        audience=report(S.SENDING).audience | {"read": 5, "suppressed": 5, "planned": 0},
        batches=dict.fromkeys(("total", "finished", *SETS), 0),
    )
    return "\n".join(EN(line) for line in report_lines.report_lines(told, [], {}))


def test_where_everybody_was_left_out_nothing_is_to_come() -> None:
    assert "Everybody on the list was left out" in shown(Phase.ENDED, S.CANCELLED)
    assert "not made yet" in shown(Phase.PLANNING, S.PLANNING)
