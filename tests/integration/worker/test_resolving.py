"""Whom the worker's plan means: WeChat's word on tags, and who was suppressed since the submit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update

from broadcast.errors import InputError
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause
from broadcast.rules.plan import selection as selections
from broadcast.rules.plan.audience import Everyone, Followers
from broadcast.rules.plan.selection import Excluded, Exclusion, Sample, Selection
from broadcast.rules.pushes import UNSUBSCRIBE, Action, Push
from broadcast.rules.states import BroadcastState, Phase, Reason
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from broadcast.views import blocker_lines
from broadcast.views.texts import Texts
from models.broadcast_tables import BroadcastRow
from models.ledger.boxes import pushes
from models.ledger.lists import suppressions
from models.ledger.plan import plans, removals
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models import test_sendall
from tests.integration.models.test_take_out import members
from tests.integration.worker.test_planning import WeChatStub, context
from tests.kit import ledger
from tests.kit.ledger import body, published
from worker.delivery import planning

WORD = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
PEOPLE = ledger.openids(20)
AWAY = NoAnswer(outcome=Outcome.WAIT, scope=Scope.ACCOUNT, errmsg="away")
NO_SUCH_TAG = NoAnswer(
    outcome=Outcome.STOP_BROADCAST, scope=Scope.BROADCAST, errcode=45159, errmsg="invalid tag id"
)


@dataclass
class Tagging(WeChatStub):
    """Says who has a tag, or why it does not; what was said last goes on."""

    together: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))
    says: list[Sequence[bytes] | NoAnswer] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def tagged(self, tag_id: int) -> Sequence[bytes] | NoAnswer:
        self.asked.append(tag_id)
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


def excluding_a_tag(engine: Engine) -> str:
    broadcast_id = published(engine, body())
    said = Selection(exclude=(Exclusion(kind=Excluded.TAG, value="7"),))
    change(engine, broadcast_id, selection=said.stored)
    return broadcast_id


def change(engine: Engine, broadcast_id: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(BroadcastRow).where(BroadcastRow.id == broadcast_id).values(**values)
        )


def selection_of(engine: Engine, broadcast_id: str) -> str | None:
    query = select(BroadcastRow.selection).where(BroadcastRow.id == broadcast_id)
    with engine.connect() as connection:
        return connection.scalar(query)


def test_who_has_a_tag_that_is_excluded_is_in_no_batch(engine: Engine) -> None:
    broadcast_id = excluding_a_tag(engine)
    wechat = Tagging(says=[[ledger.packed(PEOPLE[:3]), ledger.packed(PEOPLE[3:5])]])

    assert planning.plan(context(engine, wechat), broadcast_id) is not None

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.audience["excluded"], told.recipients["waiting"]) == (5, 15)
    assert wechat.asked == [7]


def test_what_was_pushed_while_no_worker_ran_is_heeded_by_the_plan(engine: Engine) -> None:
    broadcast_id = published(engine, body())
    change(engine, broadcast_id, selection=Selection(only_current=True).stored)
    for n, action in enumerate([None, Action.UNSUBSCRIBE]):
        said = Push(
            account="default",
            kind="message.text" if action else UNSUBSCRIBE,
            dedup=str(n),
            openid=PEOPLE[n],
            msg_id=None,
            happened_at=None,
            action=action,
        )
        assert pushes.store(engine, said)

    assert planning.plan(context(engine, Tagging()), broadcast_id) is not None

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.audience["unsubscribed"], told.audience["suppressed"]) == (1, 1)
    assert members(engine, broadcast_id, "waiting") == PEOPLE[2:]


def test_a_plan_waits_while_wechat_does_not_say_who_has_a_tag(engine: Engine) -> None:
    broadcast_id = excluding_a_tag(engine)
    wechat = Tagging(says=[AWAY, [ledger.packed(PEOPLE[:5])]])

    waits = planning.plan(context(engine, wechat), broadcast_id)

    assert waits is not None
    assert waits.waits
    assert broadcast_reports.report(engine, broadcast_id).phase is Phase.PLANNING
    assert planning.plan(context(engine, wechat), broadcast_id) is not None
    assert broadcast_reports.report(engine, broadcast_id).recipients["waiting"] == 15


def test_a_tag_of_which_wechat_says_nothing_holds_the_broadcast(engine: Engine) -> None:
    broadcast_id = excluding_a_tag(engine)

    assert planning.plan(context(engine, Tagging(says=[NO_SUCH_TAG])), broadcast_id) is None

    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.HELD
    [one] = blockers.blockers_of(told)
    assert (one.cause, one.command) == (Cause.TAG_GONE, f"broadcast cancel {broadcast_id}")
    [said] = [Texts("en")(line) for line in blocker_lines.blocker_lines(told)]
    assert "no such tag any more (45159 tag 7: invalid tag id)" in said
    # No sweep has it planned again.
    assert sweeps.due(engine).plans == []


def test_a_broadcast_whose_tag_may_be_asked_about_again_goes_on_by_a_resume(engine: Engine) -> None:
    broadcast_id = excluding_a_tag(engine)
    refused = replace(NO_SUCH_TAG, errcode=50001, errmsg="user limited")
    wechat = Tagging(says=[refused, [ledger.packed(PEOPLE[:5])]])

    assert planning.plan(context(engine, wechat), broadcast_id) is None

    [one] = blockers.blockers_of(broadcast_reports.report(engine, broadcast_id))
    assert (one.cause, one.command) == (Cause.HELD, f"broadcast resume {broadcast_id}")
    assert (one.reason, one.errcode) == (Reason.TAG_UNANSWERED, 50001)
    operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    assert planning.plan(context(engine, wechat), broadcast_id) is not None


def test_followers_that_nobody_ever_listed_are_not_taken_for_nobody(engine: Engine) -> None:
    broadcast_id = published(engine, body())
    change(
        engine,
        broadcast_id,
        audience_kind=Followers.kind,
        audience_spec='{"tag_id":null}',
        planned=None,
    )

    assert planning.plan(context(engine, Tagging()), broadcast_id) is None

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.audience["planned"]) == (BroadcastState.HELD, None)


@pytest.mark.parametrize("ignored", [False, True])
def test_who_is_suppressed_after_the_submit_holds_a_send_to_everybody(
    engine: Engine, *, ignored: bool
) -> None:
    broadcast_id = test_sendall.published(engine, Everyone())
    if ignored:
        change(engine, broadcast_id, selection='{"ignore_suppression":true}')
    suppressions.suppress(engine, PEOPLE[:1], WORD)

    told = planning.plan(context(engine, Tagging()), broadcast_id)

    report = broadcast_reports.report(engine, broadcast_id)
    if ignored:
        assert told is not None
        assert report.state is BroadcastState.WAITING
        return
    assert told is None
    [gate] = report.gates
    assert (report.state, gate.reason) == (BroadcastState.HELD, Reason.SUPPRESSION_LIST)
    [one] = blockers.blockers_of(report)
    assert (one.cause, one.command) == (Cause.SUPPRESSION, f"broadcast cancel {broadcast_id}")
    # No sweep has it planned again, and a resume changes nothing about it.
    assert sweeps.due(engine).plans == []
    with pytest.raises(InputError) as caught:
        operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    assert caught.value.message_id == "error.resume.suppressed_one"
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.HELD
    # Where nobody is suppressed any more it goes out.
    suppressions.lift(engine, PEOPLE[:1], who="tests")
    operator.resume(engine, broadcast_id, who="tests", quota=ledger.PLENTY)
    assert sweeps.due(engine).plans == [broadcast_id]
    assert planning.plan(context(engine, Tagging()), broadcast_id) is not None


def excluding(engine: Engine, other: str, **values: object) -> str:
    """Submit a broadcast to everybody but those of another one."""
    broadcast_id = published(engine, body(key="the others"))
    named = Exclusion(kind=Excluded.BROADCAST, value=other)
    said = Selection(exclude=(named,), ignore_suppression=bool(values))
    change(engine, broadcast_id, selection=said.stored)
    return broadcast_id


def test_a_plan_waits_for_that_of_a_sample_which_it_excludes(engine: Engine) -> None:
    first = published(engine, body())
    drawn = Sample(size="25%", seed="0" * 16)
    change(engine, first, selection=Selection(sample=drawn).stored)
    second = excluding(engine, first)
    here = context(engine, Tagging())

    assert planning.plan(here, second) is None
    waiting = broadcast_reports.report(engine, second)
    assert (waiting.phase, waiting.gates) == (Phase.PLANNING, [])
    planning.plan(here, first)
    planning.plan(here, second)

    assert members(engine, first, "waiting") == sorted(
        set(PEOPLE) - set(members(engine, second, "waiting"))
    )
    told = broadcast_reports.report(engine, second)
    assert (told.audience["excluded"], told.recipients["waiting"]) == (5, 15)


def test_a_plan_that_excludes_what_is_planned_later_is_held_with_the_reason(
    engine: Engine,
) -> None:
    first = published(engine, body(at=datetime.now(UTC) + timedelta(hours=2)))
    change(engine, first, audience_kind=Followers.kind, audience_spec='{"tag_id":null}')
    second = excluding(engine, first)

    assert planning.plan(context(engine, Tagging()), second) is None

    told = broadcast_reports.report(engine, second)
    [gate] = told.gates
    assert (told.state, gate.reason) == (BroadcastState.HELD, Reason.REQUEST_NOT_MADE)
    assert gate.errmsg is not None
    assert f"excludes broadcast {first}, which is not planned yet" in gate.errmsg


def test_a_broadcast_whose_list_is_still_to_come_is_never_excluded_as_nobody(
    engine: Engine,
) -> None:
    first = ledger.upload(engine, body())
    second = excluding(engine, first)

    assert planning.plan(context(engine, Tagging()), second) is None

    told = broadcast_reports.report(engine, second)
    [gate] = told.gates
    assert (told.phase, told.state) == (Phase.PLANNING, BroadcastState.HELD)
    assert gate.errmsg is not None
    assert f"excludes broadcast {first}, which is not planned yet" in gate.errmsg
    selection = selections.parse(selection_of(engine, second))
    assert plans.due_at(engine, first) is None
    with pytest.raises(removals.NotPlannedYetError):
        removals.removals_of(engine, "main", selection, given=removals.CallerLists())


@pytest.mark.parametrize("ignored", [False, True])
def test_an_unplanned_list_is_excluded_as_it_was_given(engine: Engine, *, ignored: bool) -> None:
    first = published(engine, body())
    suppressions.suppress(engine, PEOPLE[:1], WORD)
    second = excluding(engine, first, **{"ignored": True} if ignored else {})

    # Whoever is suppressed does not get the first, and where that is said gets the second.
    assert removals.unplanned(engine, selections.parse(selection_of(engine, second))) == (
        [first] if ignored else []
    )
    planning.plan(context(engine, Tagging()), second)
    told = broadcast_reports.report(engine, second)
    if ignored:
        assert told.phase is Phase.PLANNING
    else:
        assert told.phase is Phase.ENDED
        assert (told.audience["excluded"], told.audience["suppressed"]) == (19, 1)
