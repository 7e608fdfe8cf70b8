"""Restored databases in the ledger: where they are, what is closed, what an answer holds."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, update

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.campaigns.launches import CampaignState, LaunchState, Verdict, Why
from broadcast.rules.dead_letters import Letter, LetterSource
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.restore_guard import Counts
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.campaign_tables import CampaignRow
from models.engine import now, open_engine
from models.ledger.audit import audit_run
from models.ledger.boxes import dead_letters, outbox
from models.ledger.campaigns import campaign_edits, campaign_rows, launch_rows
from models.ledger.gates import restores
from models.ledger.lane.next_work import Kind
from models.ledger.rows.transaction import present, read
from models.ledger.steer import operator, restore_answers, retries
from models.ledger.steer.restore_answers import Answered
from models.ledger.steer.retries import Goes
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from models.place import place_of
from producer import outbox as producer_outbox
from tests.integration.models import campaign_world
from tests.integration.models.campaign_world import MINUTE
from tests.kit import copies, ledger
from tests.kit.ledger import Driver

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNKNOWN = CallResult(outcome=Outcome.UNKNOWN)
ACCEPTED = ledger.said(0, msg_id=9)
#: For a reason that may pass.
REFUSED = ledger.said(43004)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def installed(engine: Engine) -> None:
    """The row that a migration makes."""
    ledger.install(engine)


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def place(engine: Engine) -> str:
    with read(engine) as connection:
        return place_of(connection)


def answered(
    engine: Engine,
    *,
    since: datetime | None = None,
    counts: Mapping[str, int] | None = None,
    notes: int | None = None,
) -> Answered:
    counted = Counts(claims=counts or {}, notes=notes)
    return restore_answers.answer(engine, since=since, counts=counted, who="tests")


def closed(engine: Engine) -> None:
    assert restores.close_lanes(engine, Reason.COUNTER_BEHIND) == ["default"]


def gates(engine: Engine, broadcast_id: str) -> set[GateKind]:
    return {gate.kind for gate in broadcast_reports.report(engine, broadcast_id).gates}


def test_a_database_stays_where_it_is_and_a_copy_is_elsewhere(
    engine: Engine,
) -> None:
    ledger.broadcast(engine)
    here = place(engine)
    engine.dispose()

    assert place(engine) == here
    engine.dispose()
    copy = open_engine(copies.copied(url_of(engine), "copy"))
    assert place(copy) != here
    assert restores.facts(copy).id == restores.facts(engine).id
    copy.dispose()


def test_a_file_has_one_place_wherever_a_process_sees_it(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "broadcast.db", tmp_path / "elsewhere"
    first = open_engine(f"sqlite:///{file}")
    here = place(first)
    elsewhere.mkdir()
    os.link(file, elsewhere / "broadcast.db")
    second = open_engine(f"sqlite:///{elsewhere / 'broadcast.db'}")

    assert place(second) == here
    first.dispose()
    file.rename(tmp_path / "moved.db")
    third = open_engine(f"sqlite:///{tmp_path / 'moved.db'}")
    assert place(third) == here
    for engine in (second, third):
        engine.dispose()


def test_a_file_on_another_volume_may_have_the_same_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'broadcast.db'}")
    places = []
    for volume in (2**63 + 1, 2**63 + 2, 2049, 2065):
        monkeypatch.setattr(os, "statvfs", lambda _, n=volume: SimpleNamespace(f_fsid=n))
        places.append(place(engine))
    engine.dispose()

    first, second, device, after_a_restart = places
    assert len({first, second, device}) == 3
    assert device == after_a_restart


def test_a_role_of_postgresql_that_may_not_ask_notes_no_place_and_doubts_none(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.place._may_ask", lambda _: engine.dialect.name != "postgresql")
    ledger.broadcast(engine)
    if engine.dialect.name == "postgresql":
        assert (restores.facts(engine).known_place, place(engine)) == (None, "")
    monkeypatch.setattr("models.place._may_ask", lambda _: True)

    restores.note_seen(engine)

    facts = restores.facts(engine)
    assert facts.known_place == facts.place != ""
    monkeypatch.setattr("models.place._may_ask", lambda _: False)
    assert not restores.facts(engine).is_elsewhere


def test_what_was_restored_in_its_place_has_the_same_place_and_fewer_claims(
    engine: Engine,
) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(ACCEPTED)
    before = restores.facts(engine)
    engine.dispose()
    backup = copies.copied(url_of(engine), "backup")
    driver.call(ledger.said(0, msg_id=10))
    engine.dispose()
    copies.restored(backup, url_of(engine))

    facts = restores.facts(engine)

    assert before.lane("default").claims == facts.lane("default").claims == 1
    # PostgreSQL fills no database anew: a restore makes another one there.
    assert (facts.place == before.place) is (engine.dialect.name != "postgresql")


def test_closed_lanes_call_nobody_and_plan_nothing_whatever_else_is_opened(
    engine: Engine, broadcast_id: str
) -> None:
    waiting = ledger.published(engine, ledger.body(text="another"))
    closed(engine)

    assert operator.unhalt(engine, None, who="tests") == []
    assert not operator.resume(engine, broadcast_id, who="tests")
    assert Driver(engine).next().kind is Kind.REST
    assert restores.close_lanes(engine, Reason.OTHER_PLACE) == []
    assert broadcast_reports.report(engine, waiting).state is BroadcastState.HELD


def test_an_answer_repeats_what_had_begun_and_holds_what_had_not(
    engine: Engine, broadcast_id: str, driver: Driver
) -> None:
    driver.call(UNKNOWN)
    waiting = ledger.published(engine, ledger.body(text="another"))
    closed(engine)

    done = answered(engine, since=present(engine), counts={"default": 5})

    assert set(done.held) == {broadcast_id, waiting}
    assert (done.repeats, done.claims) == (1, {"default": 5})
    assert restores.facts(engine).lane("default").claims == 5
    assert gates(engine, broadcast_id) == gates(engine, waiting) == {GateKind.RESTORED}
    ledger.pass_time(engine, timedelta(minutes=10))
    assert driver.next().state is BatchState.UNKNOWN
    driver.call(ACCEPTED)
    assert driver.next().kind is Kind.REST
    report = broadcast_reports.report(engine, broadcast_id)
    assert report.state is BroadcastState.HELD
    assert audit_run.audit_all(engine, waits=DEFAULT_TUNING.waits).findings == []


def test_a_resume_sends_what_a_restore_held_where_that_is_meant(
    engine: Engine, broadcast_id: str, driver: Driver
) -> None:
    closed(engine)
    answered(engine, since=present(engine))

    with pytest.raises(InputError) as refused:
        operator.resume(engine, broadcast_id, who="tests")
    assert driver.next().kind is Kind.REST
    assert operator.resume(engine, broadcast_id, who="tests", maybe_sent=True)

    assert refused.value.message_id == "error.resume.maybe_sent"
    assert driver.next().kind is Kind.CALL


def test_a_retry_sends_nothing_that_a_restore_held(
    engine: Engine, broadcast_id: str, driver: Driver
) -> None:
    closed(engine)
    answered(engine, since=present(engine))

    done = retries.retry(engine, broadcast_id, who="tests")

    assert done.goes is Goes.HELD
    assert gates(engine, broadcast_id) == {GateKind.RESTORED}
    assert driver.next().kind is Kind.REST


def test_a_retry_of_what_a_backup_refused_is_held_once_until_a_person_resumes_it(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=4)
    driver = Driver(engine)
    driver.call(REFUSED)
    driver.call(REFUSED)
    closed(engine)
    answered(engine, since=present(engine))

    held = retries.retry(engine, broadcast_id, who="tests")

    assert held.goes is Goes.HELD
    assert gates(engine, broadcast_id) == {GateKind.RESTORED}
    assert driver.next().kind is Kind.REST
    assert operator.resume(engine, broadcast_id, who="tests", maybe_sent=True)
    driver.call(REFUSED)
    driver.call(REFUSED)
    assert retries.retry(engine, broadcast_id, who="tests").goes is Goes.ON
    assert driver.next().kind is Kind.CALL
    assert audit_run.audit_all(engine, waits=DEFAULT_TUNING.waits).findings == []


def test_what_is_to_go_out_later_is_held_as_it_may_have_been_cancelled_since(
    engine: Engine,
) -> None:
    moment = present(engine)
    later = ledger.published(engine, ledger.body(at=moment + timedelta(days=1), text="later"))
    due = ledger.published(engine, ledger.body(at=moment + timedelta(seconds=1), text="due"))
    restores.close_lanes(engine, Reason.REDIS_EMPTY)
    ledger.pass_time(engine, timedelta(minutes=1))

    done = answered(engine, since=moment)

    assert set(done.held) == {later, due}
    assert operator.resume(engine, later, who="tests", maybe_sent=True)
    assert gates(engine, later) == {GateKind.SCHEDULE}


def test_campaigns_are_disabled_with_their_runs_held_unless_edited_since_the_lanes_were_closed(
    engine: Engine,
) -> None:
    ledger.broadcast(engine)
    old = campaign_edits.add(engine, "old", campaign_world.plan("* * * * *"), who="tests")
    campaign_edits.add(engine, "seen", campaign_world.plan("* * * * *"), who="tests")
    with engine.begin() as connection:
        connection.execute(update(CampaignRow).values(decided_until=now(connection) - MINUTE))
    closed(engine)
    campaign_edits.disable(engine, "seen", who="tests")
    campaign_edits.enable(engine, "seen", who="tests")

    assert answered(engine, since=present(engine)).disabled == ["old"]

    assert campaign_rows.named(engine, "old").state is CampaignState.DISABLED
    assert campaign_rows.named(engine, "seen").state is CampaignState.ENABLED
    runs = launch_rows.history(engine, old.id, most=9)
    assert [(run.state, run.reason) for run in runs] == [
        (LaunchState.HELD, Message("launch.restored"))
    ]


def test_a_run_that_was_held_in_the_backup_may_have_been_sent_since(engine: Engine) -> None:
    ledger.broadcast(engine)
    campaign = campaign_edits.add(engine, "old", campaign_world.plan("* * * * *"), who="tests")
    with engine.begin() as connection:
        due = now(connection)
        missed = Verdict(state=LaunchState.HELD, why=Why.MISSED)
        launch_rows.add(connection, campaign, due, moment=due, verdict=missed)
    closed(engine)

    answered(engine, since=present(engine))

    [run] = launch_rows.history(engine, campaign.id, most=9)
    assert (run.state, run.reason) == (LaunchState.HELD, Message("launch.restored"))


def test_what_was_submitted_after_the_lanes_were_closed_goes_on(engine: Engine) -> None:
    ledger.broadcast(engine)
    closed(engine)
    new = ledger.published(engine, ledger.body(text="another"))

    assert new not in answered(engine, since=present(engine)).held


def test_what_was_asked_for_before_and_stored_after_the_lanes_were_closed_is_held(
    engine: Engine,
) -> None:
    ledger.broadcast(engine)
    asked_at = present(engine)
    closed(engine)
    said = ledger.body(text="another")
    on_its_way = ledger.upload(engine, said)
    submits.publish(
        engine,
        on_its_way,
        said,
        figures=ledger.figures(size=20, batches=2),
        quota=ledger.PLENTY,
        terms=replace(ledger.terms(), waiting_since=asked_at - SECOND),
    )

    assert on_its_way in answered(engine, since=present(engine)).held


def test_what_was_asked_for_before_the_lanes_were_closed_and_stored_after_the_answer_is_held(
    engine: Engine,
) -> None:
    ledger.broadcast(engine)
    asked_at = present(engine)
    closed(engine)
    answered(engine, since=present(engine))
    after = present(engine)

    held = {}
    for text, since in (("before", asked_at - SECOND), ("after", after)):
        said = ledger.body(text=text)
        stored = submits.store(
            engine,
            said,
            ledger.chunks(ledger.openids(20)),
            figures=ledger.figures(size=20, batches=2),
            quota=ledger.PLENTY,
            terms=replace(ledger.terms(), waiting_since=since),
        )
        held[text] = gates(engine, stored.id)

    assert held == {"before": {GateKind.RESTORED}, "after": set()}


def test_requests_of_the_outbox_wait_and_become_dead_letters_with_the_answer(
    engine: Engine,
) -> None:
    ledger.broadcast(engine)
    body = {
        "key": "k",
        "content": {"msgtype": "text", "text": {"content": "x"}},
        "audience": {"openids": ledger.openids(20)},
    }
    with engine.begin() as connection:
        producer_outbox.post(connection, body, who="app")
    refused = Message("error.key.empty")
    dead_letters.store_letter(
        engine, Letter(source=LetterSource.CELERY, body="{}", reason=refused, key="k2", account="a")
    )
    closed(engine)
    assert not outbox.any_due(engine)
    with engine.begin() as connection:
        producer_outbox.post(connection, {**body, "key": "new"}, who="app")

    before = restore_answers.closed_at(engine)
    assert before is not None
    dead_letters.store_letter(
        engine, Letter(source=LetterSource.CELERY, body="", reason=refused, key="k3", account="a")
    )
    assert producer_outbox.set_aside(engine, before=before) == 2
    answered(engine, since=present(engine))
    doubtful = Message("error.dead.restored")
    reasons = {one.key: one.reason for one in dead_letters.newest(engine, state=None, most=9)}
    assert reasons == {"k": doubtful, "k2": doubtful, "k3": refused}

    assert len(outbox.due(engine, accounts={"default"}, most=9)) == 1


def test_a_moved_database_goes_on_with_all_that_it_has(
    engine: Engine, broadcast_id: str, driver: Driver
) -> None:
    closed(engine)

    done = answered(engine)

    assert (done.opened, done.point, done.held) == (["default"], None, [])
    assert driver.next().kind is Kind.CALL
    facts = restores.facts(engine)
    assert facts.known_place == facts.place


def test_a_database_that_knows_fewer_calls_than_redis_was_not_moved(
    engine: Engine, broadcast_id: str
) -> None:
    closed(engine)

    with pytest.raises(InputError) as refused:
        answered(engine, counts={"default": 1})

    assert refused.value.message_id == "error.restored.behind"
    assert restore_answers.closed_at(engine) is not None


def test_a_database_that_knows_fewer_notes_than_redis_was_not_moved_and_a_backup_gets_their_number(
    engine: Engine, broadcast_id: str
) -> None:
    assert [restores.note_seen(engine) for _ in range(2)] == [1, 2]
    closed(engine)
    assert restores.note_seen(engine) is None

    with pytest.raises(InputError) as refused:
        answered(engine, notes=3)
    answered(engine, since=present(engine), notes=3)

    assert refused.value.message_id == "error.restored.forgetful"
    assert restores.facts(engine).notes == 3
    answered(engine, since=present(engine), notes=1)
    assert restores.note_seen(engine) == 4


def test_a_database_that_does_not_know_an_account_with_calls_was_not_moved(
    engine: Engine, broadcast_id: str
) -> None:
    closed(engine)

    with pytest.raises(InputError) as refused:
        answered(engine, counts={"default": 0, "other": 1})

    assert refused.value.facts["account"] == "other"
    assert restore_answers.closed_at(engine) is not None


def test_a_lane_that_a_backup_has_not_begins_with_the_claims_of_the_answer(
    engine: Engine, broadcast_id: str
) -> None:
    closed(engine)

    for _ in range(2):
        done = answered(engine, since=present(engine), counts={"other": 4})
        assert done.claims == {"default": 0, "other": 4}
    ledger.broadcast(engine, owner=ledger.account("other"))

    lanes = restores.facts(engine).lanes
    assert {name: lane.claims for name, lane in lanes.items()} == {"default": 0, "other": 4}
    assert Driver(engine, "other").claim().lane_number == 5


def test_no_backup_is_of_a_time_to_come(engine: Engine, broadcast_id: str) -> None:
    closed(engine)

    with pytest.raises(InputError) as refused:
        answered(engine, since=present(engine) + timedelta(hours=1))

    assert refused.value.message_id == "error.restored.to_come"
    assert restore_answers.closed_at(engine) is not None


@pytest.mark.every_database
def test_calls_that_were_never_made_are_not_among_those_of_today(
    engine: Engine, broadcast_id: str, driver: Driver
) -> None:
    driver.call(ACCEPTED)
    driver.call(CallResult(outcome=Outcome.NOT_CALLED))

    assert list(restores.called_today(engine, "default").values()) == [1]
