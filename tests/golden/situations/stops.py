"""What keeps a broadcast or an account from calling, and who lets it go on."""

from __future__ import annotations

from datetime import timedelta

from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.drafts import Gone, Mark
from broadcast.rules.plan.audience import Everyone, Followers
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.ledger.lane import claims, leases, obstacles
from models.ledger.lists import suppressions
from tests.golden.scene import Scene
from tests.golden.situations import situation
from tests.golden.situations.calls import CONTENT, OK
from tests.integration.models.stage import NO_CALLS_LEFT
from tests.kit import ledger
from tests.kit.ledger import Driver, said

BEFORE = (Mark(title="submitted"),)


@situation
def paused(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.http("POST", f"/v1/broadcasts/{scene.id}/pause", {"why": "wrong price"})
    scene.look()
    scene.told()
    scene.http("POST", f"/v1/broadcasts/{scene.id}/resume", {"why": "right price"})
    scene.look()


@situation
def paused_in_a_call(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.claim()
    scene.pause()
    scene.look()


@situation
def paused_by_refusals(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(OK)
    scene.call(CONTENT)
    scene.look()
    scene.told()
    scene.cli("resume", scene.id)
    scene.look()


@situation
def paused_by_refusals_and_by_a_person(scene: Scene) -> None:
    scene.begin(batches=3)
    scene.call(CONTENT)
    scene.cli("pause", scene.id)
    scene.look()
    scene.told()


@situation
def held_for_its_time(scene: Scene) -> None:
    scene.upload(late_by=timedelta(minutes=15))
    scene.publish()
    scene.plan()
    scene.clock.pass_(timedelta(hours=20))
    driver = Driver(scene.engine)
    assert claims.claim(scene.engine, driver.lease, driver.next()) is None
    leases.release(scene.engine, driver.lease)
    scene.look()
    scene.told()
    scene.cli("resume", scene.id, "--yes", status=None)
    scene.look()


@situation
def held_for_its_plan(scene: Scene) -> None:
    scene.upload(batches=3)
    scene.publish()
    scene.plan(quota=NO_CALLS_LEFT)
    scene.look()
    scene.told()


@situation
def held_as_it_cannot_be_planned(scene: Scene) -> None:
    scene.upload(batches=3)
    scene.publish()
    obstacles.hold_unmade_plan(scene.engine, "default", scene.id, problem="ValueError: bad row")
    scene.look()
    scene.told()


@situation
def held_as_it_cannot_be_made(scene: Scene) -> None:
    scene.begin(batches=2)
    work = Driver(scene.engine).next()
    obstacles.hold_unmade_call(scene.engine, work, "ValueError: bad row")
    scene.look()
    scene.told()


@situation
def held_for_its_tag(scene: Scene) -> None:
    scene.upload(to=Followers(tag_id=102))
    scene.publish()
    said_so = NoAnswer(
        outcome=Outcome.STOP_BROADCAST, scope=Scope.PATH, errcode=45157, errmsg="invalid tag name"
    )
    obstacles.hold_for_unanswered_tag(scene.engine, "default", scene.id, said=said_so)
    scene.look()
    scene.told()


@situation
def held_for_suppressed_followers(scene: Scene) -> None:
    scene.upload(to=Everyone())
    scene.publish()
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests", why="asked")
    suppressions.suppress(scene.engine, ledger.openids(3), word, account="default")
    obstacles.hold_for_suppression(scene.engine, "default", scene.id)
    scene.look()
    scene.told()
    scene.cli("resume", scene.id, status=None)


@situation
def held_for_an_edited_draft(scene: Scene) -> None:
    _of_draft(scene)
    scene.sees((Mark(title="edited"),))
    scene.look()
    scene.told()
    scene.cli("resume", scene.id, "--yes", status=None)


@situation
def held_for_a_lost_draft(scene: Scene) -> None:
    _of_draft(scene)
    scene.sees(Gone())
    scene.look()
    scene.told()


@situation
def waiting_for_a_look_at_its_draft(scene: Scene) -> None:
    _of_draft(scene)
    scene.sees(NoAnswer(outcome=Outcome.WAIT, scope=Scope.PATH, errcode=-1))
    scene.look()


def _of_draft(scene: Scene) -> None:
    scene.upload(draft=BEFORE)
    scene.publish()
    scene.plan()


@situation
def account_halted(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.cli("halt", "--account", "default", "--why", "wrong text")
    scene.look()
    scene.told()
    scene.cli("accounts")
    scene.cli("list")
    scene.cli("unhalt", "--account", "default")
    scene.look()


@situation
def account_halted_and_broadcast_paused(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.http("POST", "/v1/accounts/default/halt", {"why": "wrong text"})
    scene.http("POST", f"/v1/broadcasts/{scene.id}/pause")
    scene.look()
    scene.http("POST", f"/v1/broadcasts/{scene.id}/resume")
    scene.http("POST", "/v1/accounts/default/unhalt", {"why": "right text"})
    scene.look()


@situation
def account_stopped(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(said(40164, errmsg="invalid ip 192.0.2.7, not in whitelist"))
    scene.look()
    scene.told()
    scene.cli("accounts")
    scene.cli("unhalt", "--account", "default")


@situation
def account_stopped_before_a_call(scene: Scene) -> None:
    scene.begin(batches=2)
    ledger.stop(scene.engine, ledger.account())
    scene.look()
    scene.told()


@situation
def interface_stopped(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(said(48001, errmsg="api unauthorized"))
    scene.look()
    scene.told()
    scene.cli("accounts")


@situation
def account_stopped_for_doubts(scene: Scene) -> None:
    scene.begin(batches=4)
    for _ in range(3):
        scene.in_doubt()
    scene.look()
    scene.told()
    scene.cli("accounts")
