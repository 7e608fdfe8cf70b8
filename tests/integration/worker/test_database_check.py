"""The check before calls, and the claim that Redis did not count."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import Engine, insert, update

from broadcast.errors import OutOfReachError, RedisAwayError
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.plan.proof import Quota
from broadcast.rules.states import Phase
from broadcast.tokens.claim_counter import ClaimCounter
from broadcast.tokens.redis_access import Keys, connect
from models.box_tables import OutboxRow
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import CampaignRow
from models.engine import now
from models.installation import Installation
from models.ledger.campaigns import campaign_edits
from models.ledger.gates import restores
from models.ledger.rows.transaction import present
from producer import outbox
from tests.integration.models import campaign_world
from tests.kit import ledger
from tests.kit.ledger import Driver
from worker.delivery.database_check import DatabaseCheck
from worker.delivery.ports import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.servers.valkey import Valkey

SHOP = ledger.account()
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def installed(engine: Engine) -> None:
    """The row that a migration makes."""
    row = {"number": 1, "id": "one", "created_at": present(engine), "oldest_compatible": 1}
    with engine.begin() as connection:
        connection.execute(insert(Installation).values(row))


@pytest.fixture
def counter(valkey: Valkey) -> Iterator[ClaimCounter]:
    with connect(valkey.url) as redis:
        yield ClaimCounter(redis, keys=Keys(), installation="one")


def checked(engine: Engine, counter: ClaimCounter, answer: object = None) -> DatabaseCheck:
    """Return the check of a worker whose WeChat says *answer* of its quotas."""
    gateway = SimpleNamespace(quota=lambda _path: answer)
    return DatabaseCheck(
        engine, counter=counter, gateway=lambda _: cast("Gateway", gateway),
        waits=DEFAULT_TUNING.waits,
    )  # fmt: skip


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
        connection.execute(update(Installation).values(seen_at=present(engine) - DAY))


def is_closed(engine: Engine) -> bool:
    return restores.facts(engine, None).is_closed


def test_the_first_check_notes_the_place_and_begins_to_count(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)

    checked(engine, counter).check(SHOP)

    facts = restores.facts(engine, None)
    assert facts.known_place == facts.place
    assert facts.is_seen_now
    assert counter.read() == {"default": 0}


def test_a_copy_is_closed_that_was_made_before_a_worker_was_at_work(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)
    with engine.begin() as connection:
        connection.execute(update(Installation).values(place="elsewhere"))

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter).watch({"default": SHOP})

    assert is_closed(engine)


def test_the_first_worker_may_come_days_after_the_first_request(
    engine: Engine, counter: ClaimCounter
) -> None:
    ledger.broadcast(engine)
    ledger.pass_time(engine, 2 * DAY)

    checked(engine, counter).check(SHOP)

    assert counter.read() == {"default": 0}


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
    assert checked(engine, counter).watch({"default": SHOP}) == 0


def test_an_empty_redis_is_filled_again_where_wechat_counts_what_the_ledger_has(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter, calls=3)
    valkey.flushall()

    assert checked(engine, counter, quota(used=3)).watch({"default": SHOP}) == 1

    assert counter.read() == {"default": 3}
    assert not is_closed(engine)


@pytest.mark.parametrize("answer", [quota(used=9), no_answer(scope=Scope.PATH, errcode=48001)])
def test_an_empty_redis_closes_the_lanes_where_wechat_counts_more_or_does_not_say(
    engine: Engine, counter: ClaimCounter, valkey: Valkey, answer: object
) -> None:
    if isinstance(answer, NoAnswer):
        answer = NoAnswer(outcome=Outcome.STOP_BROADCAST, scope=Scope.PATH, errcode=48001)
    sent(engine, counter)
    valkey.flushall()

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter, answer).check(SHOP)

    assert is_closed(engine)


def test_an_empty_redis_waits_for_a_wechat_that_is_away(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter)
    valkey.flushall()

    with pytest.raises(OutOfReachError, match=r"database\.uncounted"):
        checked(engine, counter, no_answer(scope=Scope.ACCOUNT)).check(SHOP)

    assert not is_closed(engine)
    assert counter.read() == {}


def test_an_empty_redis_closes_the_lanes_of_a_database_of_yesterday(
    engine: Engine, counter: ClaimCounter, valkey: Valkey
) -> None:
    sent(engine, counter)
    make_old(engine)
    valkey.flushall()

    with pytest.raises(OutOfReachError, match=r"database\.restored"):
        checked(engine, counter, quota(used=0)).check(SHOP)

    assert is_closed(engine)


def request_of_the_outbox(engine: Engine) -> None:
    body = {
        "key": "k", "content": {"msgtype": "text", "text": {"content": "x"}},
        "audience": {"openids": ledger.openids(20)},
    }  # fmt: skip
    with engine.begin() as connection:
        outbox.post(connection, body, who="app")
        connection.execute(update(OutboxRow).values(created_at=now(connection) - DAY))


def run_of_a_campaign(engine: Engine) -> None:
    campaign_edits.add(engine, "weekly", campaign_world.plan("0 20 * * *"), who="operator")
    with engine.begin() as connection:
        connection.execute(update(CampaignRow).values(next_due_at=now(connection) - DAY))


@pytest.mark.parametrize("owe", [request_of_the_outbox, run_of_a_campaign])
def test_what_was_due_yesterday_and_is_no_broadcast_yet_is_owed_as_well(
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
        connection.execute(update(Installation).values(seen_at=None))
    read = counter.read

    def read_and_be_slow() -> Mapping[str, int]:
        counts = read()
        # The other thread begins to count before this one looks at the database.
        monkeypatch.setattr(counter, "read", read)
        checked(engine, counter).check(SHOP)
        return counts

    monkeypatch.setattr(counter, "read", read_and_be_slow)
    checked(engine, counter).check(SHOP)

    assert not is_closed(engine)
    assert counter.read() == {"default": 0}
