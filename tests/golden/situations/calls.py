"""Broadcasts to a list, from its upload to the last word on its calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from broadcast.rules.calls.waits import Tuning
from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.plan.selection import Removal
from models.ledger.lane import leases
from models.ledger.outcomes import recorded_ends
from models.ledger.plan import plans, subtract
from tests.golden.scene import Scene
from tests.golden.situations import situation
from tests.integration.models.stage import NO_CALLS_LEFT
from tests.kit import ledger
from tests.kit.ledger import LOST, said

OK, OTHER = said(0, msg_id=71), said(0, msg_id=72)
CONTENT, BLAMED, UNSUBSCRIBED = said(40007), said(40003), said(43004)
THROTTLED, USED_UP = said(45011), said(45009)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@situation
def uploading(scene: Scene) -> None:
    scene.upload()
    scene.look()


@situation
def scheduled(scene: Scene) -> None:
    scene.upload(at=4 * 24 * HOUR, title="Sale")
    scene.publish()
    scene.look()
    scene.cli("list")
    scene.http("GET", "/v1/broadcasts")


@situation
def scheduled_and_paused(scene: Scene) -> None:
    scene.upload(at=4 * 24 * HOUR)
    scene.publish()
    scene.cli("pause", scene.id, "--why", "wrong price")
    scene.look()
    scene.told()


@situation
def overdue(scene: Scene) -> None:
    scene.upload(at=HOUR)
    scene.publish()
    scene.clock.pass_(HOUR + 3 * MINUTE)
    scene.look()


@situation
def planning(scene: Scene) -> None:
    scene.upload(batches=3)
    scene.publish()
    scene.look()
    scene.clock.pass_(5 * MINUTE)
    scene.look()


@situation
def waiting(scene: Scene) -> None:
    scene.begin(batches=3, priority=7)
    scene.look()


@situation
def waiting_for_a_worker(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.clock.pass_(5 * MINUTE)
    scene.look()


@situation
def waiting_for_another_day(scene: Scene) -> None:
    scene.upload(batches=3, spread_days=True)
    scene.publish()
    scene.plan(quota=NO_CALLS_LEFT)
    scene.look()


@situation
def calls_of_the_day_used_up(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(OK)
    scene.call(USED_UP)
    scene.look()
    scene.cli("accounts")


@situation
def throttled(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(OK)
    scene.call(THROTTLED)
    scene.look()


@situation
def calling(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.claim()
    scene.look()


@situation
def sending(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(OK)
    scene.look()


@situation
def reply_lost(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(OK)
    scene.call(LOST)
    scene.look()


@situation
def behind_another(scene: Scene) -> None:
    scene.begin(batches=2, priority=1)
    scene.call(OK)
    scene.begin(batches=2)
    scene.look()
    scene.cli("list")


@situation
def worker_died_in_a_call(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.claim()
    scene.clock.pass_(HOUR)
    scene.look()


@situation
def completed(scene: Scene) -> None:
    scene.begin(batches=2, title="周五")
    scene.call(OK)
    scene.call(OTHER)
    scene.look()
    scene.told()
    scene.cli("audit", scene.id)
    scene.cli("pause", scene.id, status=None)
    scene.cli("resume", scene.id, status=None)
    scene.cli("cancel", scene.id, status=None)
    scene.cli("retry", scene.id, status=None)


@situation
def finished_with_counts(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(OK)
    scene.call(OTHER)
    for msg_id in (71, 72):
        counts = Counts(total=10, eligible=9, sent=8, errors=1)
        event = FinishEvent(msg_id=msg_id, status="send success", counts=counts)
        recorded_ends.record_finish_event(scene.engine, "default", event)
    scene.look()
    scene.told()
    scene.cli("reconcile", "--since", "2036-03-12", status=None)


@situation
def finished_by_mass_get(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(OK)
    scene.call(OTHER)
    scene.clock.pass_(3 * MINUTE)
    scene.hear("SEND_SUCCESS")
    scene.look()


@situation
def refused_by_the_review(scene: Scene) -> None:
    scene.begin()
    scene.call(OK)
    event = FinishEvent(
        msg_id=71, status="err(20002)", counts=Counts(total=0, eligible=0, sent=0, errors=0)
    )
    recorded_ends.record_finish_event(scene.engine, "default", event)
    scene.look()
    scene.told()


@situation
def half_refused_by_the_review(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(OK)
    scene.call(OTHER)
    scene.hear("SEND_FAIL")
    scene.look()
    scene.told()


@situation
def partial(scene: Scene) -> None:
    scene.tuning = Tuning(split_depth=0)
    scene.begin(batches=2)
    scene.call(OK)
    scene.call(BLAMED)
    scene.look()
    scene.told()
    scene.http("GET", f"/v1/broadcasts/{scene.id}/recipients?set=refused")
    scene.cli("retry", scene.id)
    scene.look()


@situation
def batch_split(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(OK)
    scene.call(BLAMED)
    scene.look()


@situation
def failed(scene: Scene) -> None:
    scene.begin()
    scene.call(CONTENT)
    scene.look()
    scene.told()
    scene.cli("resolve", scene.id, "--batch", "1", "--sent", status=None)


@situation
def nobody_left(scene: Scene) -> None:
    _narrowed(scene, suppressed=20)
    scene.look()
    scene.told()


@situation
def one_left(scene: Scene) -> None:
    _narrowed(scene, excluded=12, suppressed=7)
    scene.look()
    scene.told()


@situation
def narrowed(scene: Scene) -> None:
    _narrowed(scene, suppressed=2, excluded=3, unsubscribed=1, sampled_out=4)
    scene.look()
    scene.call(OK)
    scene.look()
    scene.told()
    for name in ("suppressed", "excluded", "unsubscribed", "sampled_out", "accepted"):
        scene.http("GET", f"/v1/broadcasts/{scene.id}/recipients?set={name}")


def _narrowed(scene: Scene, **counts: int) -> None:
    """Plan a broadcast of twenty as the worker does, without so many."""
    scene.upload()
    scene.publish()
    row = plans.to_plan(scene.engine, scene.id)
    assert row is not None
    people, removals = iter(ledger.openids(20)), []
    for reason, count in counts.items():
        names = [next(people) for _ in range(count)]
        removals.append(Removal(reason=reason, pieces=[ledger.packed(names)]))
    if subtract.subtract(scene.engine, row, ledger.account(), removals=removals):
        scene.plan()


@situation
def doubt(scene: Scene) -> None:
    scene.begin()
    scene.in_doubt()
    scene.look()
    scene.told()
    scene.cli("resume", scene.id, status=None)


@situation
def doubt_beside_accepted_batches(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(OK)
    scene.call(LOST)
    scene.call(BLAMED)
    scene.look()
    scene.call(OTHER)
    scene.look()
    scene.told()
    scene.cli("audit", "--all")


@situation
def doubt_resolved_as_sent(scene: Scene) -> None:
    scene.begin()
    scene.in_doubt()
    scene.cli("resolve", scene.id, "--batch", "1", "--sent", "--why", "seen in the console")
    scene.look()
    scene.told()


@situation
def doubt_resolved_with_a_msg_id(scene: Scene) -> None:
    scene.begin()
    scene.in_doubt()
    scene.word(77)
    scene.look()
    scene.hear("SEND_SUCCESS")
    scene.look()
    scene.told()


@situation
def doubt_resolved_as_not_sent(scene: Scene) -> None:
    scene.begin()
    scene.in_doubt()
    scene.cli("resolve", scene.id, "--batch", "1", "--not-sent")
    scene.look()
    scene.cli("retry", scene.id, status=None)
    scene.cli("retry", scene.id, "--yes", "--why", "after all")
    scene.look()
    scene.driver = None
    scene.call(OK)
    scene.look()
    scene.told()


@situation
def accepted_under_two_msg_ids(scene: Scene) -> None:
    scene.begin()
    scene.orphan()
    scene.call(OK)
    scene.record(OTHER, call=0)
    scene.look()
    scene.told()
    scene.cli("audit", "--all", status=None)


@situation
def already_accepted_but_not_by_us(scene: Scene) -> None:
    scene.begin()
    scene.call(said(45065))
    scene.look()
    scene.told()


@situation
def cancelled_when_scheduled(scene: Scene) -> None:
    scene.upload(at=HOUR)
    scene.publish()
    scene.cli("cancel", scene.id, "--why", "wrong day")
    scene.look()
    scene.told()


@situation
def cancelled_before_the_plan(scene: Scene) -> None:
    scene.upload()
    scene.publish()
    scene.cancel()
    scene.look()
    scene.told()


@situation
def cancelled_before_the_first_call(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.cancel()
    scene.look()
    scene.told()


@situation
def cancelled_after_the_first_call(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(OK)
    scene.cancel()
    scene.look()
    scene.told()
    scene.http("GET", f"/v1/broadcasts/{scene.id}/recipients?set=cancelled")


@situation
def cancelled_in_a_call(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.claim()
    scene.cancel()
    scene.look()
    scene.record(OK)
    scene.look()
    scene.told()


@situation
def cancelled_with_a_doubt(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.orphan()
    scene.cancel()
    scene.look()
    scene.told()


@situation
def left_the_account(scene: Scene) -> None:
    scene.tuning = replace(scene.tuning, split_depth=0)
    scene.begin(batches=2)
    scene.call(UNSUBSCRIBED)
    scene.call(OK)
    scene.look()


@situation
def two_broadcasts_of_one_day(scene: Scene) -> None:
    scene.begin()
    scene.call(OK)
    assert scene.driver is not None
    leases.release(scene.engine, scene.driver.lease)
    scene.driver = None
    scene.begin()
    scene.look(scene.ids[1])
    scene.cli("follower", ledger.openids(1)[0], "--account", "default")
    scene.cli("list", "--most", "1")
