"""What few commands and rare events ask of the ledger, on each database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.errors import UnknownIdError
from broadcast.message import Message
from broadcast.rules.api_keys import APIKey, Scope
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.outcomes import Scope as CallScope
from broadcast.rules.calls.waits import Waits
from broadcast.rules.drafts import Mark
from broadcast.rules.jobs import Period
from broadcast.rules.pushes import UNSUBSCRIBE, Push
from broadcast.rules.states import NoticeState
from models import mysql_columns, schema
from models.broadcast_tables import DraftRow
from models.engine import clock_ahead, now
from models.installation import Installation
from models.ledger.boxes import api_keys, dead_letters, notices, outbox, pushes, unreported
from models.ledger.campaigns import launch_rows, rehearsal_rows
from models.ledger.gates import drafts, gate_changes, restores
from models.ledger.rows import known_accounts, locked_rows
from models.ledger.rows.transaction import read
from models.ledger.steer import operator
from models.ledger.submit import awaited_lists
from models.ledger.views import broadcast_reports, given_up, refused_pushes
from models.ledger.views.broadcast_reports import Followed
from tests.integration.models.campaign_world import HOUR, TEMPLATE, World, plan, run_of
from tests.integration.models.still_clock import NOON, StillClock
from tests.integration.models.test_awaited_lists import awaiting, reserve
from tests.integration.models.test_dead_letters import LETTER
from tests.kit import ledger

pytestmark = pytest.mark.every_database

WHO = "tests"
DAY = timedelta(days=1)
AWAY = NoAnswer(outcome=Outcome.WAIT, scope=CallScope.ACCOUNT, errcode=-1, errmsg="system error")


def test_a_key_is_good_until_it_is_revoked_once(engine: Engine) -> None:
    key = APIKey(
        name="shop",
        scopes=frozenset({Scope.READ, Scope.SUBMIT}),
        accounts=frozenset({"a", "b"}),
        digest="d" * 64,
    )
    one = api_keys.add(engine, key, who=WHO)
    other = api_keys.add(engine, replace(key, accounts=None, digest="e" * 64), who=WHO)

    assert [api_keys.revoke(engine, other, who="li") for _ in range(2)] == [True, False]
    assert list(api_keys.good(engine)) == [key]
    assert {row.id: row.revoked_by for row in api_keys.stored(engine)} == {one: None, other: "li"}
    with pytest.raises(UnknownIdError):
        api_keys.revoke(engine, one.upper(), who=WHO)


def test_notices_are_tried_anew_and_acknowledged(engine: Engine) -> None:
    unreported.register(engine, ["bot"], alone=True)
    for key, state in (("1", NoticeState.GIVEN_UP), ("2", NoticeState.WAITING)):
        with engine.begin() as connection:
            notices.add(
                connection,
                kind="launch_held",
                account=None,
                subject=f"c{key}",
                key=key,
                state=state,
            )
    assert given_up.given_up(engine).notices == 1

    assert notices.acknowledge(engine, "c1") == 0
    assert notices.retry_given_up(engine) == 1
    assert notices.acknowledge(engine, "c1") == 1
    assert notices.acknowledge(engine, None) == 1
    assert {one.state for one in notices.newest(engine, list(NoticeState), 9)} == {
        NoticeState.PASSED
    }


def test_requests_of_the_outbox_are_taken_by_those_who_have_their_account(engine: Engine) -> None:
    for account in ("a", "b"):
        with engine.begin() as connection:
            outbox.post(connection, body=account, account=account, who=WHO)

    assert outbox.note_requests_elsewhere(engine, accounts=["a"], most=9)
    assert not outbox.note_requests_elsewhere(engine, accounts=["a", "b"], most=9)
    [mine] = outbox.due(engine, accounts=["a"], most=9)
    taken = outbox.reserve_request(engine, mine)
    assert taken is not None
    assert (taken.body, taken.origin) == ("a", mine)
    assert outbox.reserve_request(engine, mine) is None
    ledger.pass_time(engine, 2 * outbox.LONG)
    waiting = outbox.waiting_long(engine)
    assert waiting is not None
    assert waiting.count == 2
    assert restores.owed(engine, "a").since == waiting.since
    outbox.remove_request(engine, mine)
    # Nobody has its account: it is anybody's by now.
    ledger.pass_time(engine, outbox.STRAY_AFTER)
    [stray] = outbox.due(engine, accounts=["a"], most=9)
    assert outbox.reserve_request(engine, stray) is not None
    outbox.remove_request(engine, stray)
    assert outbox.waiting_long(engine) is None


def test_all_letters_that_were_shown_are_dropped_and_none_that_came_since(engine: Engine) -> None:
    dead_letters.store_letter(engine, LETTER)
    count, until = dead_letters.waiting(engine, ["shop"])
    dead_letters.store_letter(engine, replace(LETTER, body="{}", account="other"))

    assert dead_letters.waiting(engine)[0] == 2
    assert dead_letters.drop_all(engine, who=WHO, until=until, accounts=["shop"]) == count == 1
    assert dead_letters.waiting(engine, ["shop"])[0] == 0
    assert dead_letters.waiting(engine)[0] == 1


def test_what_nobody_could_read_is_set_aside_and_a_refused_push_is_noted(engine: Engine) -> None:
    left = Push(
        account="default",
        kind=UNSUBSCRIBE,
        dedup="1",
        openid=ledger.openids(1)[0],
        msg_id=None,
        happened_at=None,
    )
    pushes.store(engine, left)
    [due] = pushes.of_followers(engine, "default", after=0, most=9)
    assert not pushes.of_followers(engine, "default", after=due.id, most=9)
    pushes.set_aside(engine, due, "no XML")
    pushes.note_refused(engine, "other")

    with read(engine) as connection:
        moment = now(connection)
        within = Period(moment - DAY, moment + DAY)
        [aside] = pushes.pushes_set_aside(connection, "default", within)
    assert aside.kind == UNSUBSCRIBE
    assert refused_pushes.refused_at(engine, "other", DAY) is not None
    assert refused_pushes.refused_at(engine, "default", DAY) is None
    ledger.pass_time(engine, timedelta(seconds=1))
    pushes.store(engine, replace(left, account="other"))
    assert refused_pushes.refused_at(engine, "other", DAY) is None


def test_the_template_that_was_found_for_a_run_is_kept_and_its_notice_stands(
    still: tuple[Engine, StillClock],
) -> None:
    world = World(*still)
    unreported.register(world.engine, ["bot"], alone=True)
    campaign = world.add("c", plan("0 13 * * *"))
    run, _ = launch_rows.run_now(world.engine, campaign, run_of(campaign), key="k", who=WHO)
    found = replace(TEMPLATE, request={**TEMPLATE.request, "title": "周五"})

    launch_rows.keep_template(world.engine, run.id, found)

    kept = launch_rows.under_key(world.engine, campaign, "k")
    assert kept is not None
    assert (kept.id, kept.template) == (run.id, found)
    assert launch_rows.under_key(world.engine, campaign, "K") is None
    reserved = launch_rows.of_campaign(world.engine, campaign, kept)
    assert (reserved.origin, reserved.last_size) == (campaign.id, None)
    assert restores.owed(world.engine, "default").since == campaign.created_at
    assert launch_rows.hold(world.engine, kept, Message("launch.missed"))
    [notice] = notices.newest(world.engine, list(NoticeState), 9)
    assert launch_rows.is_still_so(world.engine, notice.key)
    # Nobody holds a run twice.
    launch_rows.keep_template(world.engine, run.id, TEMPLATE)
    assert launch_rows.current(world.engine, run.id).template == found


def test_a_rehearsal_stands_until_its_campaign_is_changed(
    still: tuple[Engine, StillClock],
) -> None:
    world = World(*still)
    unreported.register(world.engine, ["bot"], alone=True)
    campaign = world.add("once", plan(None, at=NOON + HOUR))
    [run] = rehearsal_rows.missing(world.engine, accounts=["default"])
    rehearsal_rows.record(world.engine, run, [Message("error.audience.missing_file", source="x")])
    [notice] = notices.newest(world.engine, list(NoticeState), 9)

    assert rehearsal_rows.is_still_so(world.engine, notice.key)
    assert not rehearsal_rows.is_still_so(world.engine, f"rehearsal {campaign.id} another")
    world.clock.pass_(HOUR)
    assert not rehearsal_rows.is_still_so(world.engine, notice.key)


def test_the_place_of_a_database_is_noted_by_who_knows_its_last_one(engine: Engine) -> None:
    ledger.install(engine)
    restores.note_new_place(engine, None, "here")
    restores.note_new_place(engine, None, "elsewhere")

    with read(engine) as connection:
        assert connection.scalar(select(Installation.place)) == "here"
    assert schema.installation(engine) == "one"
    assert restores.owed(engine, "default").since is None


def test_a_draft_is_read_once_before_any_call_is_due(engine: Engine) -> None:
    marks = (Mark(title="周五"),)
    broadcast_id = ledger.published(engine, ledger.of_draft(ledger.body(), None))
    waits = Waits()
    assert drafts.unread_accounts(engine, waits=waits) == ["default"]
    [one] = drafts.unread(engine, "default", most=9, waits=waits)
    assert (one.broadcast_id, one.media_id) == (broadcast_id, "D1")
    assert drafts.draft_to_read(engine, broadcast_id) == "D1"

    drafts.read_first(engine, broadcast_id, AWAY)
    assert drafts.unread(engine, "default", most=9, waits=waits) == []
    ledger.pass_time(engine, HOUR)
    drafts.read_first(engine, broadcast_id, marks)
    drafts.read_first(engine, broadcast_id, (Mark(title="later"),))
    assert drafts.unread_accounts(engine, waits=waits) == []
    assert _draft(engine, broadcast_id) == (marks, marks)
    assert drafts.draft_to_read(engine, broadcast_id) is None
    shown = (Mark(title="edited"),)
    drafts.seen_by_person(engine, broadcast_id, shown)
    assert _draft(engine, broadcast_id) == (marks, shown)
    with engine.begin() as connection:
        drafts.accept(connection, broadcast_id, None)
    assert _draft(engine, broadcast_id) == (None, shown)


def _draft(engine: Engine, broadcast_id: str) -> tuple[object, object]:
    with read(engine) as connection:
        row = connection.execute(
            select(DraftRow.approved, DraftRow.seen).filter_by(broadcast_id=broadcast_id)
        ).one()
    return row.approved, row.seen


def test_a_list_that_is_awaited_is_found_by_its_id_and_its_key(engine: Engine) -> None:
    body = ledger.body(key="one")
    broadcast_id, _ = reserve(engine, body)

    there = awaited_lists.awaited_submission(engine, broadcast_id)
    assert there is not None
    assert (there.key, there.account, there.is_cancelled) == ("one", "default", False)
    assert awaited_lists.find(engine, awaiting(body)) == broadcast_id
    assert awaited_lists.awaited_submission(engine, ledger.broadcast(engine)) is None
    operator.cancel(engine, broadcast_id, who=WHO)
    there = awaited_lists.awaited_submission(engine, broadcast_id)
    assert there is not None
    assert there.is_cancelled


def test_a_broadcast_is_found_by_a_part_of_its_id_and_accounts_by_their_names(
    engine: Engine,
) -> None:
    assert locked_rows.newest(engine) is None
    first = ledger.broadcast(engine)
    ledger.pass_time(engine, timedelta(seconds=1))
    newest = ledger.broadcast(engine, owner=ledger.account("shop"))
    gate_changes.note_drift(engine, "shop", who=WHO)

    assert locked_rows.newest(engine) == newest
    assert locked_rows.fitting(engine, first[-6:].upper(), most=9) == [first]
    assert locked_rows.fitting(engine, "%", most=9) == []
    assert locked_rows.account_of(engine, newest) == "shop"
    assert Followed(engine, newest).version() == broadcast_reports.report(engine, newest).version
    assert Followed(engine, newest[:-1]).version() is None
    assert locked_rows.account_of(engine, newest[:-1]) is None
    assert known_accounts.account_names(engine) == ["default", "shop"]
    assert (known_accounts.is_known(engine, "shop"), known_accounts.is_known(engine, "SHOP")) == (
        True,
        False,
    )


def test_a_server_says_its_own_facts(engine: Engine) -> None:
    ahead = clock_ahead(engine)

    assert (ahead is None) == (engine.dialect.name == "sqlite")
    assert ahead is None or abs(ahead) < timedelta(minutes=1)
    if engine.dialect.name == "mysql":
        assert mysql_columns.longest_statement(engine) > 1_000_000
        assert mysql_columns.corrections(engine) == {}
