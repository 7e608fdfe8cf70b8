"""For every legal move of a batch, a broadcast and a gate: the story that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from broadcast.rules.calls.attempts import CallResult, NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.drafts import Look, Mark
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.gates.restore_guard import Counts
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from models.ledger.gates import gate_changes, restores
from models.ledger.gates.gate_changes import Closing
from models.ledger.lane import claims, leases, transitions
from models.ledger.rows import locked_rows
from models.ledger.rows.transaction import present, write
from models.ledger.steer import operator, restore_answers, sweeps
from tests.integration.models.stage import DAY, NO_CALLS_LEFT, NO_SPLITS, WHO, Stage
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

B, S = BatchState, BroadcastState

Story = Callable[[Stage], Any]
OK, OTHER = said(0, msg_id=7), said(0, msg_id=8)
TOO_FAST, BLAMED, LEFT, CONTENT = said(45011), said(40003), said(43004), said(40007)
UNPROVED = said(45065, msg_id=7)


def told(*steps: Story) -> Story:
    """Return the story of these steps."""

    def tell(stage: Stage) -> None:
        for step in steps:
            step(stage)
            stage.look()

    return tell


def story(*steps: Story, batches: int = 1) -> Story:
    """Return a story that begins with a broadcast that waits for its first call."""
    return told(lambda stage: stage.begin(batches=batches), *steps)


def published(*steps: Story) -> Story:
    """Return a story that begins with a broadcast that waits for its plan."""
    return told(Stage.upload, Stage.publish, *steps)


def scheduled(*steps: Story) -> Story:
    """Return a story that begins with a broadcast whose time has not come."""
    return told(lambda stage: stage.upload(at=timedelta(hours=1)), Stage.publish, *steps)


def beside(tale: Story) -> Story:
    """Return the story after another batch got the msg_id that this one will be told."""
    return told(lambda stage: stage.another_has(OK), tale)


def call(fact: CallResult) -> Story:
    """Return the step of a whole call."""
    return lambda stage: stage.call(fact)


def late(fact: CallResult, of: int = 0) -> Story:
    """Return the step in which the reply of a call, the first if not said, arrives."""
    return lambda stage: stage.record(fact, call=of)


def heard(status: str) -> Story:
    """Return the step in which mass/get tells of the first batch."""
    return lambda stage: stage.hear(status)


def person(msg_id: int | None, n: int = 1) -> Story:
    """Return the step in which a person settles a batch."""
    return lambda stage: stage.word(msg_id, n=n)


def no_splits(stage: Stage) -> None:
    """Let no batch be halved from here on."""
    stage.tuning = NO_SPLITS


def launch(stage: Stage) -> None:
    """Let the broadcast's time come."""
    stage.clock.pass_(timedelta(hours=1))
    assert sweeps.launch_due(stage.engine) == [stage.id]


def cancelled_once(stage: Stage) -> None:
    """Cancel the batch as it was done before a person's "not sent" counted in it."""
    batch_id = ledger.batch(stage.engine, stage.id).id
    write(
        stage.engine,
        lambda c: transitions.move_batch(
            c, locked_rows.locked_batch(c, batch_id), B.CANCELLED, who=WHO, reason=Reason.BY_HAND
        ),
    )
    stage.cancel()


def too_large(stage: Stage) -> None:
    """Find no calls left for it."""
    stage.plan(quota=NO_CALLS_LEFT)


def halt(stage: Stage) -> None:
    """Let a person stop the account."""
    assert operator.halt(stage.engine, None, who=WHO) == ["default"]


def unhalt(stage: Stage) -> None:
    """Let a person lift all that stops the account."""
    assert operator.unhalt(stage.engine, None, who=WHO) == ["default"]
    stage.driver = None


def find_a_copy(stage: Stage) -> None:
    """Let a worker find that the database is a copy."""
    assert restores.close_lanes(stage.engine, Reason.OTHER_PLACE) == ["default"]


def say_it_moved(stage: Stage) -> None:
    """Let a person say that nothing is missing."""
    restore_answers.answer(stage.engine, since=None, counts=Counts(claims={}), who=WHO)
    stage.driver = None


def say_it_was_restored(stage: Stage) -> None:
    """Let a person say that it is a backup of now."""
    restore_answers.answer(
        stage.engine, since=present(stage.engine), counts=Counts(claims={}), who=WHO
    )
    stage.driver = None


def resume_what_may_be_sent(stage: Stage) -> None:
    """Let a person resume what a restore held."""
    assert operator.resume(stage.engine, stage.id, who=WHO, maybe_sent=True)


def missed(*steps: Story) -> Story:
    """Return a story that begins with a broadcast whose first call would come too late."""

    def begin(stage: Stage) -> None:
        stage.upload(late_by=timedelta(minutes=15))
        stage.publish()
        stage.plan()
        stage.clock.pass_(DAY)
        driver = Driver(stage.engine)
        assert claims.claim(stage.engine, driver.lease, driver.next()) is None
        leases.release(stage.engine, driver.lease)

    return told(begin, *steps)


def own_quotas(stage: Stage) -> None:
    """Let each interface have calls of its own."""
    stage.tuning = replace(stage.tuning, shared_quota=False)


def articles(*steps: Story) -> Story:
    """Return a story that begins with articles whose draft was read at the submit."""

    def begin(stage: Stage) -> None:
        stage.upload(draft=(Mark(title="submitted"),))
        stage.publish()
        stage.plan()

    return told(begin, *steps)


def look(seen: Look) -> Story:
    """Return the step of a look at the draft."""
    return lambda stage: stage.sees(seen)


def keep_back(stage: Stage) -> None:
    """Publish it as a person's send that can be called off for a minute."""
    stage.terms = replace(stage.terms, cooling_off=timedelta(minutes=1))
    stage.publish()


def in_minutes(stage: Stage) -> None:
    """Let a look come again."""
    stage.clock.pass_(timedelta(minutes=2))


def ask_the_administrator(stage: Stage) -> None:
    """Close the gate of what WeChat asks the administrator about."""
    closing = Closing(
        kind=GateKind.ADMINISTRATOR,
        who=WHO,
        broadcast_id=stage.id,
        until=stage.clock.now + timedelta(minutes=1),
    )
    write(stage.engine, lambda connection: gate_changes.close(connection, "default", closing))


def another_day(stage: Stage) -> None:
    """Let the day turn."""
    stage.clock.pass_(DAY)
    stage.driver = None


NO_WORD = NoAnswer(outcome=Outcome.WAIT, scope=Scope.PATH, errcode=-1)
STOPS_ALL, NO_PERMISSION, USED_UP = said(40164), said(48001), said(45009)
OWN, ACCOUNT, PATH = GateScope.BROADCAST, GateScope.ACCOUNT, GateScope.PATH
claim, orphan, again, not_sent = Stage.claim, Stage.orphan, Stage.again, Stage.not_sent
in_doubt, window_closes = Stage.in_doubt, Stage.window_closes
cancel, pause, resume, retry = Stage.cancel, Stage.pause, Stage.resume, Stage.retry
BATCH_STORIES: dict[tuple[BatchState, BatchState], Story] = {
    # An acceptance that comes after a person's "not sent" and `retry` still counts.
    (B.PLANNED, B.CALLING): story(claim),
    (B.PLANNED, B.CANCELLED): story(cancel),
    (B.PLANNED, B.REFUSED): story(again, cancel),
    (B.PLANNED, B.IN_DOUBT): beside(story(again, late(OK))),
    (B.PLANNED, B.ACCEPTED): story(again, late(OK)),
    (B.PLANNED, B.UNKNOWN): story(again, late(UNPROVED)),
    (B.CALLING, B.PLANNED): story(call(TOO_FAST)),
    (B.CALLING, B.UNKNOWN): story(call(LOST)),
    (B.CALLING, B.ACCEPTED): story(call(OK)),
    (B.CALLING, B.REFUSED): story(call(CONTENT)),
    (B.CALLING, B.IN_DOUBT): story(call(LOST), call(BLAMED)),
    (B.CALLING, B.SPLIT): story(call(BLAMED)),
    (B.UNKNOWN, B.CALLING): story(call(LOST), call(LOST)),
    (B.UNKNOWN, B.ACCEPTED): story(orphan, late(OK)),
    (B.UNKNOWN, B.IN_DOUBT): story(in_doubt),
    (B.UNKNOWN, B.PLANNED): story(orphan, late(TOO_FAST)),
    (B.UNKNOWN, B.REFUSED): story(orphan, late(CONTENT)),
    (B.UNKNOWN, B.SPLIT): story(orphan, late(BLAMED)),
    (B.ACCEPTED, B.FINISHED): story(call(OK), heard("SEND_SUCCESS")),
    (B.ACCEPTED, B.REFUSED): story(call(OK), heard("SEND_FAIL")),
    (B.ACCEPTED, B.IN_DOUBT): story(orphan, call(OK), late(OTHER)),
    (B.FINISHED, B.REFUSED): story(call(OK), heard("SEND_SUCCESS"), heard("SEND_FAIL")),
    (B.FINISHED, B.IN_DOUBT): story(orphan, call(OK), heard("SEND_SUCCESS"), late(OTHER)),
    (B.REFUSED, B.PLANNED): story(again),
    (B.REFUSED, B.ACCEPTED): story(not_sent, late(OK)),
    (B.REFUSED, B.IN_DOUBT): beside(story(not_sent, late(OK))),
    # Only a cancel of an earlier version left a batch there of which a call may still be answered.
    (B.CANCELLED, B.ACCEPTED): story(again, cancelled_once, late(OK)),
    (B.CANCELLED, B.IN_DOUBT): beside(story(again, cancelled_once, late(OK))),
    (B.IN_DOUBT, B.ACCEPTED): story(in_doubt, person(7)),
    (B.IN_DOUBT, B.REFUSED): story(not_sent),
}
#: One batch accepted, one refused by a person's word.
HALF = (call(OK), in_doubt, person(None, n=2))
#: From one result to another; None: it had not ended before.
RESULT_STORIES: dict[tuple[BroadcastState | None, BroadcastState], Story] = {
    (None, S.COMPLETED): story(call(OK)),
    (None, S.PARTIAL): story(no_splits, call(OK), call(BLAMED), batches=2),
    (None, S.FAILED): story(no_splits, call(BLAMED)),
    (None, S.CANCELLED): published(cancel),
    (None, S.HELD): story(in_doubt),
    (S.HELD, S.COMPLETED): story(in_doubt, person(7)),
    (S.HELD, S.PARTIAL): story(*HALF, batches=2),
    (S.HELD, S.FAILED): story(not_sent),
    (S.COMPLETED, S.PARTIAL): story(call(OK), call(OTHER), heard("SEND_FAIL"), batches=2),
    (S.COMPLETED, S.FAILED): story(call(OK), heard("SEND_FAIL")),
    (S.COMPLETED, S.HELD): story(orphan, call(OK), late(OTHER)),
    (S.PARTIAL, S.COMPLETED): story(*HALF, late(OTHER, of=1), batches=2),
    (S.PARTIAL, S.FAILED): story(*HALF, heard("SEND_FAIL"), batches=2),
    (S.PARTIAL, S.HELD): story(*HALF, late(OK, of=1), batches=2),
    (S.FAILED, S.COMPLETED): story(not_sent, late(OK)),
    (S.FAILED, S.PARTIAL): story(not_sent, in_doubt, person(None, n=2), late(OK), batches=2),
    (S.FAILED, S.HELD): beside(story(not_sent, late(OK))),
    (S.CANCELLED, S.COMPLETED): story(again, cancelled_once, late(OK)),
    (S.CANCELLED, S.HELD): beside(story(again, cancelled_once, late(OK))),
}
#: Every way from one phase to another.
PHASE_STORIES: dict[tuple[Phase, Phase], Story] = {
    (Phase.UPLOADING, Phase.PLANNING): published(),
    (Phase.PLANNING, Phase.SENDING): story(),
    (Phase.PLANNING, Phase.ENDED): published(cancel),
    (Phase.SENDING, Phase.ENDED): story(call(OK)),
    (Phase.ENDED, Phase.SENDING): story(not_sent, retry),
}
#: What a reader is shown in the end.
SHOWN_STORIES: dict[BroadcastState, list[Story]] = {
    S.UPLOADING: [told(Stage.upload)],
    S.SCHEDULED: [scheduled(), scheduled(pause, resume)],
    S.PLANNING: [published(), scheduled(launch), published(pause, resume)],
    S.WAITING: [story(), story(pause, resume), published(too_large, resume)],
    S.SENDING: [
        story(claim),
        story(claim, pause, resume),
        story(*HALF, retry, batches=2),
        story(again),
        story(no_splits, call(LEFT), in_doubt, retry, batches=2),
    ],
    S.PAUSED: [
        published(pause),
        scheduled(pause),
        story(pause),
        story(claim, pause),
        scheduled(pause, launch),
        story(call(OK), call(CONTENT), batches=3),
    ],
    S.HELD: [
        published(too_large),
        story(in_doubt),
        story(orphan, pause, window_closes),
        missed(),
        story(halt),
        published(halt),
        story(pause, halt),
    ],
    S.COMPLETED: [story(call(OK)), story(claim, pause, late(OK))],
    S.PARTIAL: [story(call(OK), call(CONTENT), batches=2)],
    S.FAILED: [story(call(CONTENT))],
    S.CANCELLED: [
        scheduled(cancel),
        published(cancel),
        published(too_large, cancel),
        story(cancel),
        story(claim, cancel),
        story(pause, cancel),
        story(claim, cancel, late(OK)),
        story(claim, cancel, late(BLAMED)),
        story(orphan, cancel),
        story(halt, cancel),
        story(in_doubt, cancel),
        missed(cancel),
    ],
}
#: How each kind of gate is closed, and its way out; None: it is final, and ends the broadcast.
GATE_STORIES: dict[tuple[GateScope, GateKind], tuple[Story, Story | None]] = {
    (OWN, GateKind.PAUSE): (story(pause), resume),
    (OWN, GateKind.BREAKER): (story(call(CONTENT), batches=2), resume),
    (OWN, GateKind.HOLD): (missed(), resume),
    (OWN, GateKind.DRAFT): (articles(look((Mark(title="edited"),))), resume),
    (OWN, GateKind.LOOK): (articles(look(NO_WORD)), in_minutes),
    (OWN, GateKind.COOLING_OFF): (told(Stage.upload, keep_back, Stage.plan), in_minutes),
    (OWN, GateKind.ADMINISTRATOR): (story(ask_the_administrator), in_minutes),
    (OWN, GateKind.RESTORED): (story(find_a_copy, say_it_was_restored), resume_what_may_be_sent),
    (OWN, GateKind.CANCEL): (story(cancel), None),
    (OWN, GateKind.SCHEDULE): (scheduled(), launch),
    (ACCOUNT, GateKind.HALT): (story(halt), unhalt),
    (ACCOUNT, GateKind.RESTORED): (story(find_a_copy), say_it_moved),
    (ACCOUNT, GateKind.BREAKER): (story(*(in_doubt,) * 3, batches=4), unhalt),
    (ACCOUNT, GateKind.STOP): (story(call(STOPS_ALL)), unhalt),
    (PATH, GateKind.STOP): (story(call(NO_PERMISSION)), unhalt),
    (PATH, GateKind.QUOTA): (story(own_quotas, call(USED_UP)), another_day),
}
