"""A person is erased from every row, the audit is clean all the same, and they stay left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update

from broadcast import openid
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.calls.waits import DEFAULT_TUNING, Waits
from broadcast.rules.dead_letters import LetterSource, LetterState
from broadcast.rules.plan.cut import ASKED
from broadcast.rules.plan.selection import Removal, Selection
from broadcast.rules.pushes import SUBSCRIBE, Action, Push
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.every_table import (
    AccountRow,
    AttemptRow,
    Base,
    Batch,
    BroadcastRow,
    DeadLetterRow,
    Event,
    FollowerChange,
    FollowerPage,
    HandCallRow,
    PushRow,
    Skipped,
)
from models.ledger.audit import audit_run
from models.ledger.audit.case import Found
from models.ledger.boxes import pushes
from models.ledger.followers import follower_lists, follower_syncs, followers
from models.ledger.lane import leases
from models.ledger.lists import recipients, suppressions
from models.ledger.plan import plans, removals, subtract
from models.ledger.steer import erasures, operator, retries
from models.ledger.views import broadcast_reports, received
from producer import pushes as push_work
from tests.integration.models.tampering import found, overwrite
from tests.kit import follows, ledger
from tests.kit.ledger import Driver, said
from tests.kit.openids import split

WHO = "tests"
PEOPLE = ledger.openids(40)
#: In the first batch; the first and last of it are the edges of a chunk.
ONE, EDGE = PEOPLE[5], PEOPLE[0]
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def erase(engine: Engine, one: str = ONE) -> erasures.Erased:
    return erasures.erase(engine, "default", one, who=WHO)


def where(engine: Engine, one: str) -> set[str]:
    """Return every column of the whole database that has an OpenID, in clear or packed."""
    needles = (one.encode(), openid.pack(one.encode()))
    found = set()
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(text(f"SELECT * FROM {table.name}")).mappings():
                for name, value in row.items():
                    raw = value if isinstance(value, bytes) else str(value).encode()
                    if any(needle in raw for needle in needles):
                        found.add(f"{table.name}.{name}")
    return found


def call(engine: Engine, *facts: CallResult) -> None:
    driver = Driver(engine)
    for fact in facts:
        driver.call(fact)
    leases.release(engine, driver.lease)


def accepted(engine: Engine) -> str:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    call(engine, *(said(0, msg_id=n) for n in range(1, 5)))
    return broadcast_id


def refused(engine: Engine) -> str:
    broadcast_id = ledger.broadcast(engine, size=40, batches=1)
    call(engine, said(45085))
    return broadcast_id


def cancelled(engine: Engine) -> str:
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40)
    operator.cancel(engine, broadcast_id, who=WHO)
    return broadcast_id


def left_out(engine: Engine) -> str:
    """One that was never for somebody: the plan left them out, and its list is another one."""
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    out = Removal(reason="suppressed", pieces=[ledger.packed([ONE, PEOPLE[7]])])
    assert subtract.subtract(engine, row, ledger.account(), removals=[out])
    ledger.planned(engine, broadcast_id)
    call(engine, said(0, msg_id=81), said(0, msg_id=82))
    return broadcast_id


def one_left_out(engine: Engine) -> str:
    """One whose plan left out a single person, who has a list of their own."""
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    out = Removal(reason="suppressed", pieces=[ledger.packed([ONE])])
    assert subtract.subtract(engine, row, ledger.account(), removals=[out])
    ledger.planned(engine, broadcast_id)
    call(engine, said(0, msg_id=81), said(0, msg_id=82))
    return broadcast_id


def everywhere(engine: Engine, one: str, broadcast_id: str) -> None:
    """Let rows of every other kind name somebody."""
    word = SuppressionSource(kind=SuppressionKind.PERSON, who=WHO, why=None)
    suppressions.suppress(engine, [one], word, account="default")
    follows.listed(engine, "default", PEOPLE, at=NOW)
    follows.left(engine, "default", one, at=NOW + timedelta(hours=1))
    push = Push(
        account="default", kind=SUBSCRIBE, dedup="d1", openid=one, msg_id=None, happened_at=NOW
    )
    pushes.store(engine, push)
    at = {"at": NOW, "account": "default", "who": WHO}
    rows: list[tuple[Any, dict[str, Any]]] = [
        (HandCallRow, {**at, "kind": "preview", "day": "2026-12-01", "target": one}),
        (Event, {**at, "kind": "operator.action", "detail": f'{{"to": "{one}"}}'}),
        (
            Skipped,
            {
                "broadcast_id": broadcast_id,
                "reason": "sampled_out",
                "count": 0,
                "sample": f'[[0, "{one}"]]',
            },
        ),
        (
            DeadLetterRow,
            {
                "id": "dead-1",
                "source": LetterSource.CELERY,
                "digest": "1",
                "body": f'["{one}"]',
                "state": LetterState.DROPPED,
                "characters": 1,
                "is_cut": False,
                "times": 1,
                "reason": '{"id": "error.unexpected", "facts": {}}',
                "first_at": NOW,
                "last_at": NOW,
            },
        ),
    ]
    with engine.begin() as connection:
        for table, values in rows:
            connection.execute(insert(table).values(values))


@pytest.mark.every_database
@pytest.mark.parametrize("one", [ONE, EDGE], ids=["within", "edge"])
def test_nothing_names_an_erased_person_and_the_audit_finds_the_promise_kept(
    engine: Engine, one: str
) -> None:
    ids = [make(engine) for make in (accepted, refused, cancelled, left_out)]
    everywhere(engine, one, ids[0])
    assert len(where(engine, one)) >= 10
    before = [broadcast_reports.report(engine, each).recipients for each in ids]

    done = erase(engine, one)

    assert where(engine, one) == set()
    assert done.broadcasts == 4
    assert [broadcast_reports.report(engine, each).recipients for each in ids] == before
    audit = audit_run.audit_all(engine, waits=Waits())
    assert audit.findings == []
    assert audit.erased == 4
    assert erase(engine, one) == erasures.Erased(broadcasts=0, rows=0)


def test_an_erased_person_is_in_no_set_that_anybody_reads(engine: Engine) -> None:
    broadcast_id = accepted(engine)
    follows.listed(engine, "default", PEOPLE, at=NOW)

    erase(engine)

    portions = recipients.portions(engine, broadcast_id, "accepted")
    found = [one for portion in portions for one in split(portion.openids)]
    assert found == [one for one in PEOPLE if one != ONE]
    assert received.of_openid(engine, "default", ONE, most=9) == []
    for other in (PEOPLE[4], PEOPLE[6], PEOPLE[39]):
        assert len(received.of_openid(engine, "default", other, most=9)) == 1
    assert followers.of_openid(engine, "default", ONE) is None
    assert followers.count(engine, "default") == 39
    listed = [
        one for piece in followers.current(engine, "default") for one in split(openid.unpack(piece))
    ]
    assert listed == found
    [excluded] = removals.removals_of(engine, "default", Selection(), given=removals.CallerLists())[
        :1
    ]
    assert excluded.among is not None
    [stands] = suppressions.of_openid(engine, "default", ONE)
    assert stands.kind is SuppressionKind.ERASED
    assert list(suppressions.every_suppressed(engine, "default")) == []
    # By it a send by WeChat's own list is refused.
    assert suppressions.count(engine, "default") == 1


def test_a_changed_list_is_found_though_somebody_was_erased_from_it(engine: Engine) -> None:
    broadcast_id = accepted(engine)
    erase(engine)
    overwrite(engine, broadcast_id, 39, openid.pack(b"oX" + b"9" * 26))

    assert found(engine) == {Found.KEY_CHANGED}


def test_one_erased_too_many_is_found(engine: Engine) -> None:
    broadcast_id = accepted(engine)
    erase(engine)
    overwrite(engine, broadcast_id, 6, openid.pack(openid.ERASED))

    assert found(engine) == {Found.ERASED}


def test_retry_leaves_a_batch_alone_in_which_somebody_was_erased(engine: Engine) -> None:
    broadcast_id = refused(engine)
    [group] = retries.retry_verdicts(engine, broadcast_id)
    assert group.verdict is RetryVerdict.AGAIN

    erase(engine)

    done = retries.retry(engine, broadcast_id, who=WHO)
    assert [one.verdict for one in done.placed] == [RetryVerdict.ERASED]
    assert done.goes is retries.Goes.NOTHING


@pytest.mark.parametrize("ignored", [False, True])
def test_retry_leaves_a_batch_alone_of_which_an_erase_died_before_its_list(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, ignored: bool
) -> None:
    broadcast_id = refused(engine)
    if ignored:
        everybody = {"selection": '{"ignore_suppression":true}'}
        with engine.begin() as connection:
            connection.execute(update(BroadcastRow).values(everybody))

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(erasures, "_broadcasts_of", die)
        with pytest.raises(SystemExit):
            erase(engine)

    done = retries.retry(engine, broadcast_id, who=WHO)

    assert [one.verdict for one in done.placed] == [RetryVerdict.SUPPRESSED]
    assert done.suppressed == {1: 1}
    erase(engine)
    done = retries.retry(engine, broadcast_id, who=WHO)
    assert [one.verdict for one in done.placed] == [RetryVerdict.ERASED]


@pytest.mark.parametrize("ignored", [False, True])
def test_the_next_plan_leaves_an_erased_person_out(engine: Engine, *, ignored: bool) -> None:
    accepted(engine)
    erase(engine)
    selection = Selection(ignore_suppression=ignored)
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    assert removals.leaves_out(engine, "default", selection)
    out = removals.removals_of(engine, "default", selection, given=removals.CallerLists())

    assert subtract.subtract(engine, row, ledger.account(), removals=out)

    ledger.planned(engine, broadcast_id)
    report = broadcast_reports.report(engine, broadcast_id)
    assert (report.audience["suppressed"], report.audience["planned"]) == (1, 39)
    waiting = recipients.portions(engine, broadcast_id, "waiting")
    assert ONE not in [one for portion in waiting for one in split(portion.openids)]


def test_neither_a_pass_nor_a_push_brings_an_erased_person_back(engine: Engine) -> None:
    ledger.ended(engine)
    follows.listed(engine, "default", PEOPLE, at=NOW)
    erase(engine)
    sync, _ = follower_syncs.begin(engine, ledger.account(), who=WHO)
    page = follower_syncs.StoredPage(
        openids=ledger.packed(PEOPLE),
        size=40,
        tail=PEOPLE[-1],
        next_openid="",
        total=40,
        asked_at=NOW + timedelta(days=1),
        elapsed_ms=1,
    )
    for dedup, action in (("a", Action.UNSUBSCRIBE), ("b", None)):
        push = Push(
            account="default",
            kind=SUBSCRIBE,
            dedup=dedup,
            openid=ONE,
            msg_id=None,
            happened_at=NOW,
            action=action,
        )
        pushes.store(engine, push)

    made = follower_lists.make(engine, follower_syncs.store_page(engine, sync, page))
    push_work.handle(engine, tuning=DEFAULT_TUNING, goes_on=lambda: True)

    assert (made.ended, made.followers, made.joined) == ("complete", 39, 0)
    assert where(engine, ONE) <= {"bc_follower_syncs.tail"}
    with engine.connect() as connection:
        assert connection.execute(select(FollowerPage.id)).all() == []
        assert connection.execute(select(FollowerChange.openid)).all() == []
        assert connection.scalars(select(PushRow.openid)).all() == [None, None]


def test_the_clientmsgid_that_a_list_makes_after_an_erasure_is_that_of_no_call(
    engine: Engine,
) -> None:
    broadcast_id = accepted(engine)
    erase(engine)
    with engine.begin() as connection:
        packed = recipients.packed(connection, broadcast_id, ASKED, start=0, size=10)
        key, content = connection.execute(select(BroadcastRow.key, BroadcastRow.content)).one()
        appid = connection.scalars(select(AccountRow.appid)).one()
        other = clientmsgid_of(appid=appid, key=key, content=content, packed=packed)
        first = select(Batch.id).where(Batch.n == 1).scalar_subquery()
        change = update(AttemptRow).where(AttemptRow.batch_id == first)
        assert connection.execute(change.values(clientmsgid=other)).rowcount == 1

    assert found(engine) == {Found.KEY_OF_CALL}


@pytest.mark.parametrize("everywhere", [False, True], ids=["account", "all"])
def test_an_erasure_under_another_account_changes_nothing_of_theirs(
    engine: Engine, *, everywhere: bool
) -> None:
    broadcast_id = one_left_out(engine)
    word = SuppressionSource(kind=SuppressionKind.PERSON, who=WHO, why=None)
    if everywhere:
        suppressions.suppress(engine, [ONE], word)
    else:
        suppressions.suppress(engine, [ONE], word, account="default")
    follows.left(engine, "default", ONE, at=NOW)
    before = where(engine, ONE)

    erased = erasures.erase(engine, "other", ONE, who=WHO)

    assert erased.broadcasts == 0
    assert where(engine, ONE) == before - ({"bc_suppressions.openid"} if everywhere else set())
    out = removals.removals_of(engine, "default", Selection(), given=removals.CallerLists())
    assert any(
        ONE.encode() in (one.among or (lambda _: ()))([ONE.encode()])
        or openid.pack(ONE.encode()) in b"".join(one.pieces)
        for one in out
    )
    assert found(engine) == set()

    assert erase(engine).broadcasts == 1
    assert where(engine, ONE) == set()
    assert broadcast_reports.report(engine, broadcast_id).audience["suppressed"] == 1
    assert found(engine) == set()
