"""The check before calls, and the claim that Redis did not count."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import Connection, Engine, update

from broadcast import day
from broadcast.errors import OutOfReachError, RedisAwayError, SchemaError
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.gates.restore_guard import Counts
from broadcast.rules.plan.proof import Quota
from broadcast.rules.states import Phase
from broadcast.tokens.claim_counter import ClaimCounter
from broadcast.tokens.redis_access import Keys, connect
from models import schema
from models.accounts import Lane
from models.box_tables import OutboxRow
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import CampaignRow
from models.engine import now, open_engine
from models.installation import Installation
from models.ledger.campaigns import campaign_edits, due_launches
from models.ledger.gates import restores
from models.ledger.lane.next_work import Kind
from models.ledger.rows.transaction import present
from models.ledger.steer import restore_answers
from models.place import place_of
from producer import outbox
from tests.integration.models import campaign_world
from tests.kit import copies, ledger, template
from tests.kit.ledger import Driver
from tests.kit.wait import until
from worker.delivery.database_check import DatabaseCheck
from worker.delivery.ports import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.integration.models.still_clock import StillClock
    from tests.servers.mariadb import MariaDB
    from tests.servers.valkey import Valkey

SHOP, OTHER = ledger.account(), ledger.account("other")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def installed(engine: Engine) -> None:
    """The row that a migration makes."""
    ledger.install(engine)


@pytest.fixture
def counter(valkey: Valkey) -> Iterator[ClaimCounter]:
    with connect(valkey.url) as redis:
        yield ClaimCounter(redis, keys=Keys(), installation="one")


def checked(engine: Engine, counter: ClaimCounter, answer: object = None) -> DatabaseCheck:
    """Return the check of a worker whose WeChat says *answer* of its quotas."""
    gateway = SimpleNamespace(quota=lambda _path: answer)
    return DatabaseCheck(
        engine,
        counter=counter,
        gateway=lambda _: cast("Gateway", gateway),
        waits=DEFAULT_TUNING.waits,
    )


def quota(used: int) -> Quota:
    return Quota(daily_limit=100, used=used, remain=100 - used)


def no_answer(**facts: Any) -> NoAnswer:
    return NoAnswer(outcome=Outcome.WAIT, errmsg="no", **facts)


def sent(engine: Engine, counter: ClaimCounter, *, calls: int = 1) -> None:
    """Send a part of a broadcast, counted as a worker counts."""
    ledger.broadcast(engine, size=40, batches=4)
    checked(engine, counter).check(SHOP)
    driver = Driver(engine)
    for n in range(calls):
        claim = driver.claim()
        assert counter.count(SHOP.name, claim.lane_number, claim.claim)
        driver.record(claim, ledger.said(0, msg_id=n + 1))


def make_old(engine: Engine) -> None:
    """Let a day pass since a worker was at work, and since the broadcasts were stored."""
    ledger.pass_time(engine, DAY)
    with engine.begin() as connection:
        connection.execute(update(BroadcastRow).values(created_at=present(engine) - DAY))
        connection.execute(update(Lane).values(seen_at=present(engine) - DAY))


def is_closed(engine: Engine) -> bool:
    return restores.facts(engine).is_closed


def test_an_upgrade_that_leaves_this_release_behind_ends_its_worker_before_a_call(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)
    ended = list[SchemaError]()
    check = DatabaseCheck(
        engine,
        counter=counter,
        gateway=lambda _: cast("Gateway", None),
        waits=DEFAULT_TUNING.waits,
        end=ended.append,
    )
    for number in (1, schema.NUMBER):
        with engine.begin() as connection:
            connection.execute(update(Installation).values(oldest_compatible=number))
        check.check(SHOP)
    with engine.begin() as connection:
        connection.execute(update(Installation).values(oldest_compatible=schema.NUMBER + 1))

    with pytest.raises(SchemaError):
        check.check(SHOP)

    assert len(ended) == 1


def test_the_first_check_notes_the_place_and_begins_to_count(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)

    checked(engine, counter).check(SHOP)

    facts = restores.facts(engine)
    assert facts.known_place == facts.place
    assert facts.is_recent(facts.lane("default").seen_at)
    assert facts.is_recent(facts.seen_at)
    assert counter.read().claims == {"default": 0}


def test_a_copy_is_closed_that_was_made_before_a_worker_was_at_work(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)
    with engine.begin() as connection:
        connection.execute(update(Installation).values(place="elsewhere"))

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter).watch({"default": SHOP})

    assert is_closed(engine)


@pytest.mark.every_database
def test_a_copy_of_a_database_that_has_nothing_to_send_yet_is_nobodys(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    checked(engine, counter).watch({"default": SHOP})
    assert restores.facts(engine).known_place is None
    engine.dispose()
    copy = open_engine(copies.copied(engine.url.render_as_string(hide_password=False), "copy"))
    # It has a Redis of its own.
    valkey.flushall()
    ledger.broadcast(copy)

    checked(copy, counter, quota(used=0)).check(SHOP)
    checked(copy, counter).watch({"default": SHOP})

    assert not is_closed(copy)
    facts = restores.facts(copy)
    assert facts.known_place == facts.place
    copy.dispose()


def test_the_first_worker_may_come_days_after_the_first_request(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)
    ledger.pass_time(engine, 2 * DAY)

    checked(engine, counter).check(SHOP)

    assert counter.read().claims == {"default": 0}


def test_a_backup_after_which_nothing_was_called_is_closed(
    engine: Engine, counter: ClaimCounter
) -> None:
    sent(engine, counter)
    engine.dispose()
    url = engine.url.render_as_string(hide_password=False)
    backup = copies.copied(url, "backup")
    # Another worker begins; what a person cancels now is not in the backup.
    assert checked(engine, counter).watch({"default": SHOP}) == set()
    before = counter.read()
    engine.dispose()
    copies.restored(backup, url)
    # PostgreSQL fills no database anew, so that this one is at another place.
    with engine.begin() as connection:
        connection.execute(update(Installation).values(place=place_of(connection)))

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter).watch({"default": SHOP})

    assert is_closed(engine)
    assert before.claims == {"default": restores.facts(engine).lane("default").claims}


def test_a_worker_notes_that_it_is_at_work_as_it_begins_and_each_minute(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)
    checked(engine, counter).check(SHOP)
    check = checked(engine, counter)
    notes = []
    for passed in (0, 30, 40, 70):
        ledger.pass_time(engine, timedelta(seconds=passed))
        check.watch({"default": SHOP})
        notes.append(counter.read().notes or 0)

    assert notes[0] == notes[1] < notes[2] < notes[3] == restores.facts(engine).notes


def test_a_note_that_redis_lost_or_never_got_accuses_nobody(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter)
    # A worker was killed between its commit and Redis.
    restores.note_seen(engine)
    checked(engine, counter).check(SHOP)
    valkey.flushall()

    checked(engine, counter, quota(used=1)).watch({"default": SHOP})

    assert not is_closed(engine)
    assert counter.read().notes == restores.facts(engine).notes


@pytest.mark.parametrize("is_first", [True, False])
def test_what_an_unseen_account_owed_as_redis_was_emptied_is_counted_by_wechat_later_too(
    engine: Engine, counter: ClaimCounter, valkey: Valkey, is_first: bool
) -> None:
    """The first note of all is not in Redis either."""
    if not is_first:
        checked(engine, counter).watch({})
        valkey.flushall()
    ledger.broadcast(engine, size=40, batches=4)
    checked(engine, counter).watch({})
    assert counter.read().notes == restores.facts(engine).notes

    check = checked(engine, counter, quota(used=9))
    with nullcontext() if is_first else pytest.raises(OutOfReachError):
        check.check(SHOP)

    assert is_closed(engine) != is_first


def test_an_answer_ends_the_doubt_about_an_account_without_a_lane(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    checked(engine, counter).watch({})
    valkey.flushall()
    request_of_the_outbox(engine)
    check = checked(engine, counter, quota(used=9))
    check.watch({})
    with pytest.raises(OutOfReachError):
        check.check(SHOP)

    done = restore_answers.answer(engine, since=None, counts=counter.read(), who="tests")
    counter.note(done.notes)
    check.watch({})
    check.check(SHOP)

    assert not is_closed(engine)


def test_an_older_database_is_closed_and_stays_so(engine: Engine, counter: ClaimCounter) -> None:
    sent(engine, counter)
    counter.begin("default", 5)

    for _ in range(2):
        with pytest.raises(OutOfReachError, match=r"database\.restored"):
            checked(engine, counter).check(SHOP)

    assert is_closed(engine)


def test_the_sweep_closes_a_database_at_another_place(
    engine: Engine, counter: ClaimCounter
) -> None:
    sent(engine, counter)
    with engine.begin() as connection:
        connection.execute(update(Installation).values(place="elsewhere"))

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter).watch({"default": SHOP})

    assert is_closed(engine)
    assert checked(engine, counter).watch({"default": SHOP}) == set()


@pytest.fixture
def optimized_mariadb(mariadb: MariaDB, counter: ClaimCounter) -> Iterator[Engine]:
    """A database of MariaDB that made a call, after OPTIMIZE TABLE."""
    engine = template.migrated(mariadb.fresh_database())
    sent(engine, counter)
    before = restores.facts(engine).place
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        # MariaDB has the moment to the second.
        until(lambda: optimized(connection) != before, 10, "another moment of the table")
    yield engine
    engine.dispose()


def optimized(connection: Connection) -> str:
    connection.exec_driver_sql("OPTIMIZE TABLE bc_installation").all()
    return place_of(connection)


def test_a_table_of_mariadb_that_was_optimized_is_the_same_database(
    optimized_mariadb: Engine, counter: ClaimCounter
) -> None:
    assert restores.facts(optimized_mariadb).was_rebuilt

    checked(optimized_mariadb, counter).check(SHOP)

    facts = restores.facts(optimized_mariadb)
    assert (facts.is_closed, facts.is_renamed) == (False, False)
    checked(optimized_mariadb, counter).watch({"default": SHOP})


def test_a_dump_of_mariadb_beside_another_redis_stays_closed_whatever_its_server_is_called(
    optimized_mariadb: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    valkey.flushall()

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(optimized_mariadb, counter, quota(used=1)).watch({"default": SHOP})

    assert is_closed(optimized_mariadb)


def test_an_empty_redis_is_filled_again_where_wechat_counts_what_the_ledger_has(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter, calls=3)
    valkey.flushall()

    assert checked(engine, counter, quota(used=3)).watch({"default": SHOP}) == set()

    assert counter.read().claims == {"default": 3}
    assert not is_closed(engine)


def test_an_empty_redis_closes_the_lanes_where_wechat_counts_more(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter)
    valkey.flushall()

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter, quota(used=9)).check(SHOP)

    assert is_closed(engine)


REFUSED = {76021: Outcome.STOP_BROADCAST, 48001: Outcome.STOP_ACCOUNT, 45009: Outcome.QUOTA_TODAY}


@pytest.mark.parametrize("errcode", REFUSED)
def test_an_account_whose_calls_wechat_refuses_to_count_waits_alone_for_wechat_or_a_person(
    engine: Engine, counter: ClaimCounter, valkey: Valkey, errcode: int
) -> None:
    accounts, asked = two_accounts(engine, counter), list[str]()
    valkey.flushall()
    refused = NoAnswer(outcome=REFUSED[errcode], scope=Scope.PATH, errcode=errcode)
    answers: dict[str, object] = {SHOP.name: refused, OTHER.name: quota(used=1)}
    check = DatabaseCheck(
        engine, counter=counter, gateway=by_account(answers, asked), waits=DEFAULT_TUNING.waits
    )

    for _ in range(3):
        assert check.watch(accounts) == {SHOP.name}
    with pytest.raises(OutOfReachError, match=r"database\.uncounted"):
        check.check(SHOP)

    assert (counter.read().claims, is_closed(engine)) == ({OTHER.name: 1}, False)
    # It was asked for by the first look, and by the check.
    assert asked.count(SHOP.name) == 2
    assert restores.facts(engine).uncounted == [SHOP.name]
    # The lease of the first driver ends.
    ledger.pass_time(engine, timedelta(minutes=1))
    driver = Driver(engine)
    assert driver.next().kind is Kind.WAIT
    done = restore_answers.answer(engine, since=None, counts=counter.read(), who="tests")
    counter.begin(SHOP.name, done.claims[SHOP.name])
    assert check.watch(accounts) == set()
    assert driver.next().kind is Kind.CALL


def test_an_empty_redis_waits_for_a_wechat_that_is_away(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter)
    valkey.flushall()

    with pytest.raises(OutOfReachError, match=r"database\.uncounted"):
        checked(engine, counter, no_answer(scope=Scope.ACCOUNT)).check(SHOP)

    assert not is_closed(engine)
    assert counter.read().claims == {}


def test_an_empty_redis_closes_the_lanes_of_a_database_of_yesterday(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter)
    make_old(engine)
    valkey.flushall()

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter, quota(used=0)).check(SHOP)

    assert is_closed(engine)


def two_accounts(engine: Engine, counter: ClaimCounter) -> dict[str, Account]:
    """Let two accounts make a call each; return them."""
    sent(engine, counter)
    ledger.broadcast(engine, owner=OTHER, size=40, batches=4)
    checked(engine, counter).check(OTHER)
    driver = Driver(engine, OTHER.name)
    claim = driver.claim()
    assert counter.count(OTHER.name, claim.lane_number, claim.claim)
    driver.record(claim, ledger.said(0, msg_id=9))
    return {SHOP.name: SHOP, OTHER.name: OTHER}


def by_account(answers: Mapping[str, object], asked: list[str]) -> Callable[[Account], Gateway]:
    """Return the way to a WeChat that answers each account so; *asked* tells of each question."""

    def gateway(account: Account) -> Gateway:
        def quota_of(_path: object) -> object:
            asked.append(account.name)
            return answers[account.name]

        return cast("Gateway", SimpleNamespace(quota=quota_of))

    return gateway


def test_an_account_that_wechat_does_not_answer_keeps_no_other_one_waiting(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    accounts, asked = two_accounts(engine, counter), list[str]()
    valkey.flushall()
    refused = NoAnswer(outcome=Outcome.STOP_ACCOUNT, scope=Scope.ACCOUNT, errcode=40125)
    answers = {SHOP.name: refused, OTHER.name: quota(used=1)}
    check = DatabaseCheck(
        engine, counter=counter, gateway=by_account(answers, asked), waits=DEFAULT_TUNING.waits
    )

    for _ in range(3):
        assert check.watch(accounts) == {SHOP.name}

    assert counter.read().claims == {OTHER.name: 1}
    assert not is_closed(engine)
    # An account that was stopped is not asked for again.
    assert asked.count(SHOP.name) == 1


def test_an_account_that_waits_for_wechat_is_asked_for_when_its_wait_is_over(
    still: tuple[Engine, StillClock], counter: ClaimCounter, valkey: Valkey
) -> None:
    engine, clock = still
    sent(engine, counter)
    valkey.flushall()
    asked, answers = list[str](), {SHOP.name: cast("object", no_answer(scope=Scope.ACCOUNT))}
    check = DatabaseCheck(
        engine, counter=counter, gateway=by_account(answers, asked), waits=DEFAULT_TUNING.waits
    )
    for _ in range(3):
        assert check.watch({SHOP.name: SHOP}) == {SHOP.name}
    assert len(asked) == 1

    answers[SHOP.name] = quota(used=1)
    clock.pass_(timedelta(hours=1))

    assert check.watch({SHOP.name: SHOP}) == set()
    assert counter.read().claims == {SHOP.name: 1}


def test_a_day_that_ends_while_wechat_is_asked_makes_nobody_suspicious(
    still: tuple[Engine, StillClock], counter: ClaimCounter, valkey: Valkey
) -> None:
    """WeChat counts the calls of the day before, and the ledger none of the new one."""
    engine, clock = still
    sent(engine, counter, calls=4)
    valkey.flushall()

    def answer(_path: object) -> Quota:
        clock.pass_(DAY / 2)
        return quota(used=4)

    gateway = cast("Gateway", SimpleNamespace(quota=answer))
    check = DatabaseCheck(
        engine, counter=counter, gateway=lambda _: gateway, waits=DEFAULT_TUNING.waits
    )

    check.check(SHOP)

    assert not is_closed(engine)


@pytest.mark.parametrize(("seconds", "closes"), [(11, False), (110, False), (611, True)])
def test_a_day_that_turns_later_at_wechat_makes_nobody_suspicious(
    still: tuple[Engine, StillClock],
    counter: ClaimCounter,
    valkey: Valkey,
    seconds: int,
    closes: bool,
) -> None:
    """WeChat's count is of the new day at the latest ten minutes later."""
    engine, clock = still
    clock.pass_(day.turn(clock.now) - clock.now - timedelta(seconds=10))
    sent(engine, counter, calls=4)
    valkey.flushall()
    clock.pass_(timedelta(seconds=seconds))

    with pytest.raises(OutOfReachError) if closes else nullcontext():
        checked(engine, counter, quota(used=4)).check(SHOP)

    assert is_closed(engine) == closes


def test_a_lane_whose_account_is_in_no_settings_any_more_makes_nobody_suspicious(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    two_accounts(engine, counter)
    make_old(engine)
    with engine.begin() as connection:
        mine = update(BroadcastRow).where(BroadcastRow.account == SHOP.name)
        connection.execute(mine.values(created_at=now(connection)))
    valkey.flushall()

    for _ in range(2):
        assert checked(engine, counter, quota(used=0)).watch({SHOP.name: SHOP}) == set()

    facts = restores.facts(engine)
    assert facts.is_recent(facts.seen_at)
    assert facts.is_recent(facts.lane(SHOP.name).seen_at)
    assert not facts.is_recent(facts.lane(OTHER.name).seen_at)


def test_a_lane_of_another_workers_account_that_is_behind_closes_all(
    engine: Engine, counter: ClaimCounter
) -> None:
    accounts = two_accounts(engine, counter)
    counter.begin(OTHER.name, 5)

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter).watch({SHOP.name: accounts[SHOP.name]})

    assert is_closed(engine)


def test_an_account_that_a_backup_has_not_closes_all_until_one_answer(
    engine: Engine, counter: ClaimCounter
) -> None:
    sent(engine, counter)
    counter.begin(OTHER.name, 5)

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter).watch({SHOP.name: SHOP})
    answer_with_a_time(engine, counter)
    ledger.broadcast(engine, owner=OTHER)
    checked(engine, counter).check(OTHER)
    checked(engine, counter).watch({SHOP.name: SHOP, OTHER.name: OTHER})

    assert not is_closed(engine)


def answer_with_a_time(engine: Engine, counter: ClaimCounter) -> None:
    """Say that it is a backup of now."""
    restore_answers.answer(engine, since=present(engine), counts=counter.read(), who="tests")


def test_the_calls_of_one_account_explain_none_of_anothers_of_days_ago(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    accounts = two_accounts(engine, counter)
    make_old(engine)
    with engine.begin() as connection:
        mine = update(BroadcastRow).where(BroadcastRow.account == SHOP.name)
        connection.execute(mine.values(phase=Phase.ENDED))
    valkey.flushall()
    # It owes nothing, so WeChat's count of today is enough for it.
    checked(engine, counter, quota(used=0)).check(SHOP)

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter, quota(used=0)).watch(accounts)

    assert is_closed(engine)


def request_of_the_outbox(engine: Engine) -> None:
    body = {
        "key": "k",
        "content": {"msgtype": "text", "text": {"content": "x"}},
        "audience": {"openids": ledger.openids(20)},
    }
    with engine.begin() as connection:
        outbox.post(connection, body, who="app")
        connection.execute(update(OutboxRow).values(created_at=now(connection) - DAY))


def run_of_a_campaign(engine: Engine) -> None:
    campaign_edits.add(engine, "weekly", campaign_world.plan("0 20 * * *"), who="operator")
    with engine.begin() as connection:
        moment = now(connection)
        due = update(CampaignRow).values(created_at=moment - DAY, next_due_at=moment)
        connection.execute(due)


def run_that_was_begun(engine: Engine) -> None:
    run_of_a_campaign(engine)
    due_launches.decide_due(engine)


@pytest.mark.parametrize("owe", [request_of_the_outbox, run_of_a_campaign, run_that_was_begun])
def test_what_was_stored_before_today_and_is_no_broadcast_yet_is_owed_as_well(
    engine: Engine, counter: ClaimCounter, valkey: Valkey, owe: Callable[[Engine], None]
) -> None:
    sent(engine, counter, calls=4)
    make_old(engine)
    with engine.begin() as connection:
        connection.execute(update(BroadcastRow).values(phase=Phase.ENDED))
    valkey.flushall()
    checked(engine, counter, quota(used=0)).check(SHOP)
    valkey.flushall()
    make_old(engine)
    owe(engine)

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter, quota(used=0)).check(SHOP)

    assert is_closed(engine)


@pytest.mark.every_database
@pytest.mark.parametrize("store", [ledger.broadcast, request_of_the_outbox, run_of_a_campaign])
def test_a_worker_notes_the_place_of_a_database_that_has_something_to_send_if_nobody_could_before(
    engine: Engine, counter: ClaimCounter, store: Callable[[Engine], None]
) -> None:
    store(engine)
    with engine.begin() as connection:
        connection.execute(update(Installation).values(place=None))

    checked(engine, counter).watch({"default": SHOP})

    facts = restores.facts(engine)
    assert facts.known_place == facts.place


def test_without_redis_nobody_knows(engine: Engine, counter: ClaimCounter, valkey: Valkey) -> None:
    sent(engine, counter)
    valkey.kill()

    with pytest.raises(RedisAwayError):
        checked(engine, counter).check(SHOP)

    assert not is_closed(engine)


def test_of_two_threads_that_check_a_new_database_none_takes_it_for_an_old_one(
    engine: Engine, counter: ClaimCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.broadcast(engine)
    make_old(engine)
    with engine.begin() as connection:
        connection.execute(update(Lane).values(seen_at=None))
    read = counter.read

    def read_and_be_slow() -> Counts:
        counts = read()
        # The other thread begins to count before this one looks at the database.
        monkeypatch.setattr(counter, "read", read)
        checked(engine, counter).check(SHOP)
        return counts

    monkeypatch.setattr(counter, "read", read_and_be_slow)
    checked(engine, counter).check(SHOP)

    assert not is_closed(engine)
    assert counter.read().claims == {"default": 0}
