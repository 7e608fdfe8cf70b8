"""Broadcasts to lists that are WeChat's own: everybody, or a tag."""

from __future__ import annotations

from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.plan.audience import Everyone, Followers, Tag
from models.ledger.outcomes import recorded_ends
from tests.golden.scene import Scene
from tests.golden.situations import situation
from tests.integration.models.test_sendall import answered
from tests.kit.ledger import LOST


@situation
def to_all_waiting(scene: Scene) -> None:
    scene.begin(to=Everyone(), title="everybody")
    scene.look()
    scene.cli("list")
    scene.http("GET", "/v1/broadcasts")


@situation
def to_all_before_its_plan(scene: Scene) -> None:
    scene.upload(to=Everyone())
    scene.publish()
    scene.look()


@situation
def to_all_accepted(scene: Scene) -> None:
    scene.begin(to=Everyone())
    scene.call(answered(0, msg_id=71))
    scene.look()
    scene.told()
    scene.http("GET", f"/v1/broadcasts/{scene.id}/recipients?set=accepted")
    scene.cli("audit", scene.id)


@situation
def to_all_finished_with_counts(scene: Scene) -> None:
    scene.begin(to=Everyone())
    scene.call(answered(0, msg_id=71))
    counts = Counts(total=812, eligible=800, sent=790, errors=10)
    recorded_ends.record_finish_event(
        scene.engine, "default", FinishEvent(msg_id=71, status="send success", counts=counts)
    )
    scene.look()
    scene.told()


@situation
def to_all_refused(scene: Scene) -> None:
    scene.begin(to=Everyone())
    scene.call(answered(45028))
    scene.look()
    scene.told()
    scene.cli("accounts")


@situation
def to_all_in_doubt(scene: Scene) -> None:
    scene.begin(to=Everyone())
    scene.call(LOST)
    scene.look()
    scene.call(answered(45065))
    scene.look()
    scene.told()


@situation
def to_all_cancelled_before_its_plan(scene: Scene) -> None:
    scene.upload(to=Everyone())
    scene.publish()
    scene.cancel()
    scene.look()
    scene.told()


@situation
def to_a_tag_accepted(scene: Scene) -> None:
    scene.begin(to=Tag(tag_id=102))
    scene.call(answered(0, msg_id=71))
    scene.look()
    scene.told()


@situation
def to_followers_before_the_plan(scene: Scene) -> None:
    scene.upload(to=Followers(tag_id=102))
    scene.publish()
    scene.look()


@situation
def to_followers_cancelled_before_the_plan(scene: Scene) -> None:
    scene.upload(to=Followers(tag_id=None))
    scene.publish()
    scene.cancel()
    scene.look()
    scene.told()
