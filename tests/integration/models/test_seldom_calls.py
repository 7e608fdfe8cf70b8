"""What is seldom asked about calls, also those by hand, and of their gates, on each database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.accounts import ALLOWANCES, AccountKind
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.outcomes import Scope as CallScope
from broadcast.rules.calls.waits import Waits
from broadcast.rules.drafts import Mark
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.hand_calls import ByHand, HandCall, HandResult
from broadcast.rules.jobs import Period
from broadcast.rules.plan.audience import Everyone, Tag
from broadcast.rules.states import Reason
from models.engine import now
from models.event import Event
from models.ledger.lane import call_history, leases, obstacles
from models.ledger.outcomes import job_lookup, recorded_ends, resolves
from models.ledger.plan import plans
from models.ledger.rows.transaction import read
from models.ledger.steer import recorded_hand_calls
from models.ledger.views import at_wechat
from tests.integration.models import test_sendall
from tests.integration.models.still_clock import StillClock
from tests.integration.models.stories import doubt, the_gate
from tests.integration.models.test_finishes import event
from tests.integration.models.test_jobs import push
from tests.kit import ledger
from tests.kit.ledger import Driver, said

pytestmark = pytest.mark.every_database

WHO = "tests"
DAY = timedelta(days=1)
AWAY = NoAnswer(outcome=Outcome.WAIT, scope=CallScope.ACCOUNT, errcode=-1, errmsg="system error")


def test_calls_that_a_person_judged_are_found_with_the_jobs_that_speak_for_them(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, batches=3, size=30)
    driver = Driver(engine)
    for _ in range(3):
        doubt(driver)
    push(engine, 99, after=timedelta(minutes=20))
    assert _of_batch(engine, broadcast_id) == [99]
    verdicts: list[NotSent | Sent] = [NotSent(), Sent(), Sent(71)]
    for n, verdict in enumerate(verdicts, 1):
        resolves.resolve(engine, broadcast_id, n, verdict=verdict, who=WHO)

    assert call_history.called_not_sent(engine, broadcast_id).keys() == {1}
    assert call_history.called_sent(engine, broadcast_id).keys() == {2}
    last = call_history.last_call(engine, broadcast_id, 1)
    assert last == call_history.called_not_sent(engine, broadcast_id)[1].last
    assert call_history.last_call(engine, broadcast_id, 4) is None
    speak = job_lookup.jobs_of_called_not_sent(engine, "default", broadcast_id)
    assert [one.event.msg_id for one in speak[1]] == [99]
    assert job_lookup.jobs_of_called_sent(engine, "default", broadcast_id).keys() == {2}
    assert not _of_batch(engine, broadcast_id)
    found = job_lookup.of_job(engine, "default", 99)
    assert found is not None
    assert found.msg_id == 99
    assert job_lookup.of_job(engine, "other", 99) is None
    # A review refuses the job that the operator alone named.
    recorded_ends.record_finish_event(engine, "default", event(71, "err(20001)"))
    assert call_history.named_by_verdict(engine, broadcast_id) == {3: 71}


def _of_batch(engine: Engine, broadcast_id: str) -> list[int]:
    found = job_lookup.jobs_of_batch(engine, "default", broadcast_id, n=1)
    return [one.event.msg_id for one in found]


def test_gates_are_counted_for_a_notice_and_a_broadcast_that_is_not_planned_is_held(
    engine: Engine,
) -> None:
    first, second = (ledger.published(engine, ledger.body()) for _ in range(2))
    assert plans.due_at(engine, first) is not None
    assert plans.account_of(engine, first) == "default"
    obstacles.hold_for_suppression(engine, "default", first)
    obstacles.hold_for_unanswered_tag(engine, "default", second, said=AWAY)

    assert the_gate(engine, GateKind.HOLD, first).reason is Reason.SUPPRESSION_LIST
    assert the_gate(engine, GateKind.HOLD, second).errcode == -1
    assert obstacles.closed_within(engine, DAY, account="default") == [first, second]
    assert obstacles.closed_within(engine, DAY, broadcast_id=first) == [first, second]
    assert plans.due_at(engine, first) is None
    third = ledger.published(engine, ledger.body())
    obstacles.hold_unmade_plan(engine, "default", third, problem="a gap")
    assert the_gate(engine, GateKind.HOLD, third).errmsg == "a gap"
    ledger.pass_time(engine, 2 * DAY)
    assert obstacles.closed_within(engine, DAY, account="default") == []
    obstacles.wait_for_count(engine, ledger.account(), waits=Waits())
    assert leases.is_driven(engine, "default") is False
    Driver(engine)
    assert leases.is_driven(engine, "default") is True


def test_calls_by_hand_are_counted_and_those_without_an_answer_are_found(engine: Engine) -> None:
    owner, done = ledger.account(), HandResult(outcome=Outcome.ACCEPTED, errcode=0)
    broadcast_id = ledger.ended(engine)
    recall = HandCall(
        kind=ByHand.RECALL, who=WHO, broadcast_id=broadcast_id, msg_id=1, msg_data_id=7, article=2
    )
    number = recorded_hand_calls.begin(engine, owner, recall)
    recorded_hand_calls.begin(engine, owner, HandCall(kind=ByHand.PREVIEW, who=WHO, target="gh"))
    refused = recorded_hand_calls.begin(engine, owner, HandCall(kind=ByHand.PREVIEW, who=WHO))
    recorded_hand_calls.end(
        engine, refused, HandResult(outcome=Outcome.STOP_BROADCAST, errcode=43004)
    )

    assert recorded_hand_calls.today(engine, "default", ByHand.PREVIEW) == 2
    assert recorded_hand_calls.this_month(engine, "default", ByHand.PREVIEW) == 1
    [open_one] = recorded_hand_calls.unanswered(engine, "default", ByHand.PREVIEW)
    assert open_one.target == "gh"
    assert not _recalls(engine, 1, None)
    recorded_hand_calls.end_recall(engine, number, done, call=recall, broadcasts=[broadcast_id])
    assert _recalls(engine, 1, None) == _recalls(engine, 9, 7) == [2]
    assert recorded_hand_calls.unanswered(engine, "default", ByHand.RECALL) == []
    with read(engine) as connection:
        told = connection.scalars(select(Event.detail).filter_by(broadcast_id=broadcast_id)).all()
    assert any('"did": "recall"' in one for one in told)


def _recalls(engine: Engine, msg_id: int, page: int | None) -> list[int | None]:
    found = recorded_hand_calls.recalls(engine, "default", msg_ids=[msg_id], msg_data_id=page)
    return [one.article for one in found]


def test_sends_of_one_draft_share_its_page(engine: Engine) -> None:
    ids = []
    for key in "ab":
        body = ledger.of_draft(ledger.body(key=key), (Mark(title="周五"),))
        ids.append(ledger.published(engine, body, batches=1))
        ledger.planned(engine, ids[-1])
        ledger.pass_time(engine, timedelta(seconds=1))
    ledger.planned(engine, other := ledger.published(engine, ledger.body()))
    driver = Driver(engine)
    driver.call(said(0, msg_id=71))

    pages = at_wechat.pages_of_broadcast(engine, ids[0])
    assert [one.msg_id for page in pages.pages for one in page.batches] == [71]
    assert (pages.to_come, pages.shared, pages.unnamed) == ([ids[1]], [], [])
    driver.call(said(0, msg_id=72))
    assert [one.msg_id for one in at_wechat.pages_of_broadcast(engine, ids[0]).shared] == [72]
    assert at_wechat.pages_of_broadcast(engine, other).to_come == []
    with read(engine) as connection:
        moment = now(connection)
    within = Period(moment - DAY, moment + DAY)
    batches, jobs, aside = at_wechat.read_reconciling(engine, "default", within)
    assert ([one.broadcast_id for one in batches], jobs, aside) == (ids, [], [])


def test_sends_to_everybody_are_counted_against_their_allowance(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    allowance = ALLOWANCES[AccountKind.SERVICE]
    tagged = ALLOWANCES[AccountKind.SUBSCRIPTION]
    for key, audience in (("a", Everyone()), ("b", Tag(tag_id=2)), ("c", Everyone())):
        test_sendall.planned(engine, audience, key)
        clock.pass_(timedelta(seconds=1))

    def counts() -> list[int]:
        return [
            at_wechat.sendalls_accepted(engine, "default", allowance),
            at_wechat.sendalls_accepted(engine, "default", tagged),
            at_wechat.sendalls_in_doubt(engine, "default", allowance),
            at_wechat.sendalls_to_come(engine, "default", allowance, at=clock.now),
            at_wechat.sendalls_to_come(engine, "default", tagged, at=clock.now),
            at_wechat.sendalls_of_broadcasts(engine, "default", since=clock.now - DAY),
        ]

    assert counts() == [0, 0, 0, 2, 3, 0]
    driver = Driver(engine)
    for msg_id in (1, 2):
        driver.call(test_sendall.answered(0, msg_id))
    driver.call(ledger.LOST)
    assert counts() == [1, 2, 1, 0, 0, 2]
