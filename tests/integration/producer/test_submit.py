from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, select

from broadcast import openid
from broadcast.errors import (
    ConflictError,
    DatabaseAwayError,
    InputError,
    PlanError,
    RepeatedSendError,
    SettingsError,
)
from broadcast.rules.accounts import Account, AccountKind
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan import proof, submission
from broadcast.rules.plan.audience import Followers
from broadcast.rules.plan.cut import ASKED, CHUNK
from broadcast.rules.states import BroadcastState
from models.engine import now, reader
from models.every_table import BroadcastRow, ChunkRow, Reservation
from models.ledger.lists import recipients, uploads
from models.ledger.rows import lane_rows
from models.ledger.steer import sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from producer.audience import openid_list
from producer.submit.prepare import prepare
from producer.submit.store import store
from tests.integration.producer.conftest import QuotaStub, WakerStub, openids, order, send
from tests.kit import follows
from tests.kit.openids import split

#: More than one transaction takes.
LONG = openids(CHUNK + 1)


def counts(engine: Engine) -> tuple[int, int]:
    """Return how many broadcasts and chunks are stored."""
    with reader(engine).connect() as connection:
        return (
            connection.scalar(select(func.count()).select_from(BroadcastRow)) or 0,
            connection.scalar(select(func.count()).select_from(ChunkRow)) or 0,
        )


def ledger_now(engine: Engine) -> datetime:
    """Return the database's moment."""
    with engine.connect() as connection:
        return now(connection)


def test_a_broadcast_is_stored_whole_and_woken_for(engine: Engine, account: Account) -> None:
    people = openids(1001)
    waker = WakerStub()

    made = send(engine, order(account, batch_size=300), [*people, people[7], "bad"], waker=waker)

    assert (made.created, waker.woken) == (True, [made.id])
    assert made.proof.fit is proof.Fit.FITS
    told = broadcast_reports.report(engine, made.id)
    assert told.state is BroadcastState.PLANNING
    assert told.audience == dict.fromkeys(told.audience, 0) | {
        "read": 1003,
        "malformed": 1,
        "duplicate": 1,
        "planned": 1001,
    }
    skipped = recipients.skipped(engine, made.id)
    assert {one.reason: one.lines for one in skipped} == {
        "malformed": [(1003, "bad")],
        "duplicate": [(1002, people[7])],
    }
    with engine.connect() as connection:
        chunks = connection.execute(
            select(ChunkRow.__table__).order_by(ChunkRow.list, ChunkRow.start)
        ).all()
    stored = [one for chunk in chunks for one in split(openid.unpack(chunk.openids))]
    assert stored == sorted(people)
    assert {chunk.list for chunk in chunks} == {ASKED}
    assert sum(chunk.size for chunk in chunks) == 1001
    assert chunks[0].first_openid == stored[0]
    assert chunks[-1].last_openid == stored[-1]


def test_the_same_key_and_body_bring_the_same_broadcast(engine: Engine, account: Account) -> None:
    people, quota = openids(5), QuotaStub()
    first = send(engine, order(account), people)
    waker = WakerStub()

    second = send(engine, order(account), list(reversed(people)), quota=quota, waker=waker)

    assert (second.id, second.created, quota.asked) == (first.id, False, 0)
    # It still waits for its plan, so the wake may have been lost.
    assert waker.woken == [first.id]
    assert counts(engine) == (1, 1)


def test_a_key_whose_broadcast_is_gone_brings_its_id_and_sends_nothing(
    engine: Engine, account: Account
) -> None:
    """A retention removed it: whoever repeats a request years later must not send anew."""
    first = send(engine, order(account), openids(5))
    with engine.begin() as connection:
        for table in (ChunkRow, Reservation):
            connection.execute(delete(table).where(table.broadcast_id == first.id))
        connection.execute(delete(BroadcastRow).where(BroadcastRow.id == first.id))
    waker = WakerStub()

    second = send(engine, order(account), openids(5), waker=waker)

    assert (second.id, second.created, waker.woken) == (first.id, False, [])
    assert counts(engine) == (0, 0)


def test_the_same_key_with_another_priority_brings_the_first_with_its_own(
    engine: Engine, account: Account
) -> None:
    people, wanted = openids(5), order(account)
    terms = submission.Terms(who="test", priority=7)
    first = send(engine, replace(wanted, terms=terms), people)

    second = send(engine, wanted, people)

    assert (second.id, second.created) == (first.id, False)
    assert broadcast_reports.report(engine, first.id).priority == 7


def test_what_was_submitted_while_a_person_was_asked_is_found(
    engine: Engine, account: Account
) -> None:
    with openid_list.read(openids(5)) as audience:
        prepared = prepare(order(account), audience, engine=engine, quota=QuotaStub())
        first = send(engine, order(account), openids(5))
        waker = WakerStub()

        second = store(prepared, engine=engine, waker=waker)

    assert (second.id, second.created) == (first.id, False)
    assert waker.woken == [first.id]
    assert counts(engine) == (1, 1)


class Meanwhile(QuotaStub):
    """WeChat, which answers when another process has published something."""

    def __init__(self, publish: Callable[[], Any], *, remain: int = 100) -> None:
        super().__init__(proof.Quota(daily_limit=100, used=100 - remain, remain=remain))
        self._publish = publish

    def quota(self, account: Account, path: SendPath) -> proof.Quota | None:
        self.first = self._publish()
        return super().quota(account, path)


@pytest.mark.parametrize("remain", [100, 1])
def test_what_was_published_while_wechat_was_asked_is_found_and_no_repeat(
    engine: Engine, account: Account, remain: int
) -> None:
    """The calls that it holds are no reason to refuse it either."""
    meanwhile = Meanwhile(lambda: send(engine, order(account), openids(5)), remain=remain)

    second = send(engine, order(account), openids(5), quota=meanwhile)

    assert (second.id, second.created) == (meanwhile.first.id, False)
    assert counts(engine) == (1, 1)


@pytest.mark.parametrize("text", ["您好", "改了"])
def test_another_body_under_its_key_meets_what_was_published_while_wechat_was_asked(
    engine: Engine, account: Account, text: str
) -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    meanwhile = Meanwhile(lambda: send(engine, order(account), openids(5)))

    with pytest.raises(ConflictError):
        send(engine, order(account, text=text, scheduled_at=at), openids(5), quota=meanwhile)

    assert counts(engine) == (1, 1)


def test_who_lost_the_key_during_the_upload_finds_what_was_published_under_it(
    engine: Engine, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_chunks, others = uploads.add_chunks, list[Any]()

    def stalled(*words: Any) -> None:
        monkeypatch.setattr(uploads, "add_chunks", add_chunks)
        others.append(send(engine, order(account), LONG))
        add_chunks(*words)

    monkeypatch.setattr(uploads, "add_chunks", stalled)
    slow = send(engine, order(account), LONG)

    assert [(slow.id, slow.created)] == [(other.id, False) for other in others]
    assert counts(engine) == (1, 2)


@pytest.mark.parametrize("other", ["content", "audience"])
def test_the_same_key_with_another_body_is_refused(
    engine: Engine, account: Account, other: str
) -> None:
    first = send(engine, order(account), openids(5))
    people = openids(5, seed=2) if other == "audience" else openids(5)
    text = "改了" if other == "content" else "您好"

    with pytest.raises(ConflictError, match=first.id):
        send(engine, order(account, text=text), people)

    assert counts(engine) == (1, 1)


def test_the_same_send_under_another_key_needs_again(engine: Engine, account: Account) -> None:
    first = send(engine, order(account, "one"), openids(5))

    with pytest.raises(RepeatedSendError, match=first.id):
        send(engine, order(account, "two"), openids(5))
    assert counts(engine) == (1, 1)

    second = send(engine, order(account, "two", again=True), openids(5))
    assert second.id != first.id
    assert counts(engine) == (2, 2)


def test_a_plan_that_does_not_fit_is_refused_and_not_stored(
    engine: Engine, account: Account
) -> None:
    quota = QuotaStub(proof.Quota(daily_limit=100, used=98, remain=2))
    wanted = order(account, batch_size=10)

    with pytest.raises(PlanError, match=r"error\.plan\.too_many "):
        send(engine, wanted, openids(25), quota=quota)
    assert counts(engine) == (0, 0)

    spread = replace(wanted, terms=replace(wanted.terms, spread_days=True))
    made = send(engine, spread, openids(25), quota=quota)
    assert (made.proof.fit, made.proof.days) == (proof.Fit.SPREADS, 2)


def test_calls_that_another_broadcast_needs_are_not_free(engine: Engine, account: Account) -> None:
    quota = QuotaStub(proof.Quota(daily_limit=100, used=95, remain=5))
    send(engine, order(account, "one", batch_size=10), openids(30), quota=quota)

    with pytest.raises(PlanError):
        send(engine, order(account, "two", batch_size=10), openids(30, seed=2), quota=quota)


def test_with_wechat_away_it_is_stored_unproved_and_says_so(
    engine: Engine, account: Account
) -> None:
    made = send(engine, order(account), openids(5), quota=QuotaStub(None))

    assert made.proof.fit is proof.Fit.UNPROVED
    assert [n.id for n in made.notices] == ["notice.plan.unproved"]
    assert counts(engine) == (1, 1)


def test_with_the_broker_away_it_is_stored_and_the_sweep_will_wake(
    engine: Engine, account: Account
) -> None:
    made = send(engine, order(account), openids(5), waker=WakerStub(away=True))

    assert made.created
    assert [n.id for n in made.notices] == ["notice.submit.not_woken"]
    assert sweeps.due(engine).plans == [made.id]


def test_a_subscription_account_cannot_send_by_openid(engine: Engine, account: Account) -> None:
    one = account.model_copy(update={"account_kind": AccountKind.SUBSCRIPTION})

    with pytest.raises(PlanError) as caught:
        send(engine, order(one), openids(5))

    assert caught.value.message_id == "error.plan.account_kind"
    assert counts(engine) == (0, 0)


@pytest.mark.parametrize("key", ["one", "two"])
def test_an_account_whose_appid_was_changed_cannot_send(
    engine: Engine, account: Account, key: str
) -> None:
    send(engine, order(account, "one"), openids(5))
    other, quota = account.model_copy(update={"appid": "wx0000000000000002"}), QuotaStub()

    with pytest.raises(SettingsError, match="wx0000000000000001") as caught:
        send(engine, order(other, key, again=True), openids(5), quota=quota)

    assert caught.value.message_id == "error.settings.appid_changed"
    assert quota.asked == 0
    assert counts(engine) == (1, 1)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, InputError])
def test_an_upload_that_is_stopped_leaves_nothing(
    engine: Engine, account: Account, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        assert counts(engine)[1] > 0
        raise stop("error.submit.taken_over")

    monkeypatch.setattr(submits, "publish", stopped)

    with pytest.raises(stop):
        send(engine, order(account), LONG)

    assert counts(engine) == (0, 0)


def test_a_short_list_is_there_with_its_broadcast_or_not_at_all(
    engine: Engine, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        assert counts(engine) == (0, 0), "somebody sees what is not committed"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # The last of its rows.
        patch.setattr("models.ledger.submit.publication.note", stopped)
        with pytest.raises(KeyboardInterrupt):
            send(engine, order(account), openids(5))
        assert counts(engine) == (0, 0)

    assert send(engine, order(account), openids(5)).created
    assert counts(engine) == (1, 1)


@pytest.mark.parametrize(("verb", "people"), [("publish", LONG), ("store", LONG[:5])])
def test_a_published_broadcast_survives_a_stop_right_after_its_commit(
    engine: Engine,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    people: list[str],
) -> None:
    """The commit arrived, its answer did not: the chunks are what will be sent."""
    publish = getattr(submits, verb)

    def published_then_lost(*arguments: Any, **named: Any) -> None:
        publish(*arguments, **named)
        raise DatabaseAwayError("error.database.away", cause="cut", where="")

    monkeypatch.setattr(submits, verb, published_then_lost)
    with pytest.raises(DatabaseAwayError):
        send(engine, order(account), people)
    monkeypatch.undo()

    there = counts(engine)
    assert there == (1, -(-len(people) // CHUNK))
    found = send(engine, order(account), people)
    assert (found.created, counts(engine)) == (False, there)


def test_preparing_stores_nothing(engine: Engine, account: Account) -> None:
    with openid_list.read(openids(25)) as audience:
        prepared = prepare(
            order(account, batch_size=10), audience, engine=engine, quota=QuotaStub()
        )

        assert list(prepared.sizes) == [9, 8, 8]
        assert prepared.proof is not None
        assert (prepared.proof.fit, prepared.proof.free) == (proof.Fit.FITS, 100)
        assert counts(engine) == (0, 0)
        made = store(prepared, engine=engine, waker=WakerStub())
    assert made.created


@pytest.mark.parametrize(
    ("count", "left", "fit"),
    [(8, 8, proof.Fit.FITS), (0, 2, proof.Fit.FITS), (None, 30, proof.Fit.TOO_MANY)],
)
def test_followers_with_a_tag_are_proved_as_as_many_as_wechat_counts(
    engine: Engine, account: Account, count: int | None, left: int, fit: proof.Fit
) -> None:
    with engine.begin() as connection:
        lane_rows.ensure_lane(connection, account)
    follows.listed(engine, account.name, sorted(openids(30)))
    one_call = QuotaStub(proof.Quota(daily_limit=100, used=99, remain=1))

    prepared = prepare(
        order(account, batch_size=10),
        Followers(tag_id=7),
        engine=engine,
        quota=one_call,
        tagged=lambda _, tag_id: count if tag_id == 7 else None,
    )

    assert prepared.estimate is not None
    assert prepared.proof is not None
    assert (prepared.estimate.left, prepared.estimate.at_most) == (left, True)
    assert prepared.proof.fit is fit
