"""What an app posts in its own transaction is one broadcast once it is committed, or a letter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session

from broadcast.errors import DatabaseAwayError, InputError
from broadcast.rules import accounts
from broadcast.rules.dead_letters import KeptLetter, LetterSource
from broadcast.settings.program_settings import Settings
from models.every_table import OutboxRow
from models.ledger.boxes import dead_letters
from models.ledger.boxes import outbox as waiting
from models.ledger.boxes.outbox import Posted
from models.ledger.rows import known_accounts
from models.ledger.views import broadcast_reports
from producer import Producer
from producer.request import incoming
from producer.submit.recent_quotas import RecentQuotas
from tests.kit import ledger
from tests.kit.wait import until
from worker import outbox as work
from worker import planner, program_door

if TYPE_CHECKING:
    from worker.wiring import WorkerParts

OTHER = {"msgtype": "text", "text": {"content": "再见"}}
TEXT = {"msgtype": "text", "text": {"content": "您好"}}
sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
servers = pytest.mark.parametrize("engine", ["postgresql", "mariadb"], indirect=True)


@pytest.fixture(autouse=True)
def unwoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "plan", lambda *_, **__: None)


@pytest.fixture
def app(engine: Engine) -> Iterator[Engine]:
    """An app's own engine on the same database, made as any app makes one."""
    options: dict[str, Any] = {}
    if engine.dialect.name == "sqlite":
        options["connect_args"] = {"timeout": 30}
    app = create_engine(engine.url, **options)
    yield app
    app.dispose()


def worker(engine: Engine, *names: str) -> WorkerParts:
    """A worker with accounts of these names, whom WeChat does not answer."""
    settings = Settings(WECHAT_APPID="wx0123456789abcdef", WECHAT_APPSECRET="0" * 32)
    here = settings.account(None)
    mine = {name: ledger.account(name) for name in names} or {here.name: here}
    fake = SimpleNamespace(
        account=lambda name: accounts.choose(mine, name),
        batch_size=settings.batch_size,
        late_by=settings.late_by,
        text_limit=settings.text_limit,
    )
    parts = SimpleNamespace(
        settings=fake,
        engine=engine,
        accounts=mine,
        quotas=RecentQuotas(lambda *_: None),
        wechat=None,
    )
    return cast("WorkerParts", parts)


def asked(key: str = "k", **members: Any) -> Any:
    people = ledger.openids(3)
    return {"key": key, "content": TEXT, "audience": {"openids": people}, **members}


class Requests(work.Requests):
    """Counts what it takes."""

    taken = 0

    def _do(self, taken: Posted) -> None:
        self.taken += 1
        super()._do(taken)


def sweep(here: WorkerParts) -> int:
    """Submit what waits for a worker; return how many were taken."""
    crew = Requests(here)
    crew.start()
    until(lambda: not crew._threads, 60, "the end of the crew")
    work.waits_elsewhere(here)
    return crew.taken


def left(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(OutboxRow)) or 0


def letters(engine: Engine) -> list[KeptLetter]:
    return list(dead_letters.newest(engine, state=None, most=50))


@pytest.mark.every_database
def test_committed_it_is_one_broadcast_rolled_back_it_is_none(engine: Engine, app: Engine) -> None:
    shop = Producer("shop")
    with Session(app) as session, session.begin():
        shop.post(session, **asked("committed", title="促销 🎉"))
    with Session(app) as session:
        shop.post(session, **asked("rolled-back"))
        session.rollback()
    with app.begin() as connection:
        shop.post(connection, **asked("plain", account="default", audience={"followers": True}))

    here = worker(engine)
    assert (sweep(here), sweep(here), left(engine)) == (2, 0, 0)

    (told,) = broadcast_reports.reports(engine)
    assert (told.key, told.title, told.created_by) == ("committed", "促销 🎉", "python shop")
    # Followers were never synced: refused, with the reason.
    (letter,) = letters(engine)
    assert (letter.key, letter.source, letter.account) == ("plain", LetterSource.OUTBOX, "default")
    assert letter.reason.id == "error.plan.never_synced"
    assert dead_letters.letter_named(engine, letter.id)[1].startswith('{"account": "default"')


@servers
@pytest.mark.every_database
def test_a_row_that_is_committed_late_is_not_passed_over_and_keeps_nobody_waiting(
    engine: Engine, app: Engine
) -> None:
    shop, here = Producer(), worker(engine)
    with Session(app) as late:
        shop.post(late, **asked("late", content=OTHER))
        with Session(app) as session, session.begin():
            shop.post(session, **asked("early"))
        assert sweep(here) == 1
        assert [told.key for told in broadcast_reports.reports(engine)] == ["early"]
        # A second transaction with the same key does not wait for the first either.
        with Session(app) as session, session.begin():
            shop.post(session, **asked("late", content=OTHER))
        assert sweep(here) == 1
        late.commit()

    assert sweep(here) == 1
    assert sorted(told.key for told in broadcast_reports.reports(engine)) == ["early", "late"]
    assert (left(engine), letters(engine)) == (0, [])


@servers
@pytest.mark.every_database
def test_posting_takes_no_lock_but_that_of_its_own_row(engine: Engine, app: Engine) -> None:
    """Each table of ours may be locked whole by somebody else, but for the outbox."""
    here = worker(engine)
    with app.begin() as connection:
        Producer().post(connection, **asked("first"))
    sweep(here)
    tables = ("accounts", "lanes", "broadcasts", "batches", "dead_letters", "submissions")
    with ExitStack() as stack:
        locker = stack.enter_context(engine.connect())
        for table in tables:
            locker.exec_driver_sql(f"SELECT * FROM bc_{table} FOR UPDATE")
        with app.begin() as connection:
            Producer().post(connection, **asked("second"))
    assert left(engine) == 1


def test_a_worker_that_died_in_between_leaves_it_to_the_next(engine: Engine, app: Engine) -> None:
    here = worker(engine)
    with app.begin() as connection:
        Producer().post(connection, **asked())
    (row_id,) = waiting.due(engine, accounts=["default"], most=5)
    taken = waiting.reserve_request(engine, row_id)
    assert taken is not None
    # The other worker dies after the broadcast is stored, before the row is gone.
    program_door.submit(here, incoming.parse_text(taken.body).request, key="k", who=taken.who)

    assert (sweep(here), waiting.reserve_request(engine, row_id)) == (0, None)
    ledger.pass_time(engine, waiting.TAKEN_FOR + timedelta(seconds=1))
    assert (sweep(here), left(engine)) == (1, 0)
    assert len(broadcast_reports.reports(engine)) == 1


def test_of_many_workers_at_once_one_makes_the_letter(engine: Engine, app: Engine) -> None:
    with app.begin() as connection:
        Producer().post(connection, **asked(audience={"followers": True}))
    (row_id,) = waiting.due(engine, accounts=["default"], most=5)
    here = worker(engine)
    posted = waiting.reserve_request(engine, row_id)
    assert posted is not None

    work.Requests(here)._do(posted)
    work.Requests(here)._do(posted)

    (letter,) = letters(engine)
    assert (letter.times, letter.reason.id) == (1, "error.plan.never_synced")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"titles": "x"}, "error.request.unknown_near"),
        ({"audience": {"openids": []}}, "error.request.wrong"),
        ({"key": " "}, "error.request.wrong"),
        ({"key": "x" * 129}, "error.key.too_long"),
        ({"audience": {"openids": ["x"], "tag_id": 2}}, "error.request.two_audiences"),
        ({"audience": {"openids": ["bad", "worse"]}}, "error.audience.none_valid"),
        ({"audience": {"openids": ledger.openids(1) * 2}}, "error.audience.single"),
        ({"audience": {"upload": True}}, "error.request.upload"),
        (
            {"account": "a", "audience": {"to_all": True, "confirm_to_all": "b"}},
            "error.request.confirm_to_all",
        ),
        ({"with_tag": 2}, "error.request.with_tag_alone"),
        ({"content": {"msgtype": "text"}}, "error.content.missing"),
        ({"at": "yesterday"}, "error.at.unreadable"),
        ({"at": "2020-01-01 00:00"}, "error.at.past"),
        ({"title": ""}, "error.title.empty"),
        ({"late_by": "foo"}, "error.request.late_by"),
        ({"exclude": ["file:x"]}, "error.request.exclude"),
        ({"sample": "some"}, "error.request.sample"),
        ({"notify": {"url": "x"}}, "error.request.notify"),
    ],
)
@sqlite
def test_a_wrong_form_is_refused_before_anything_is_written(
    app: Engine, engine: Engine, wrong: dict[str, Any], code: str
) -> None:
    with app.begin() as connection, pytest.raises(InputError) as caught:
        Producer().post(connection, **asked() | wrong)

    assert caught.value.message_id == code
    assert left(engine) == 0


@sqlite
def test_what_nobody_expected_is_a_letter_too(
    app: Engine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with app.begin() as connection:
        Producer().post(connection, **asked())
    monkeypatch.setattr(program_door, "submit", breaks)

    assert (sweep(worker(engine)), left(engine)) == (1, 0)
    assert letters(engine)[0].reason.facts == {"kind": "ZeroDivisionError"}


@sqlite
@pytest.mark.parametrize("body", ['{"key": ', "null"])
def test_what_cannot_be_read_is_a_letter_with_its_own_text(
    app: Engine, engine: Engine, body: str
) -> None:
    with app.begin() as connection:
        waiting.post(connection, body=body, account=None, who="an app")

    assert (sweep(worker(engine)), left(engine)) == (1, 0)
    (letter,) = letters(engine)
    assert (letter.reason.id, dead_letters.letter_named(engine, letter.id)[1]) == (
        "error.request.no_object",
        body,
    )


@pytest.mark.every_database
def test_it_waits_for_a_worker_that_has_its_account(engine: Engine, app: Engine) -> None:
    known_accounts_of(engine, "club")
    here, there = worker(engine, "shop"), worker(engine, "club")
    with app.begin() as connection:
        Producer().post(connection, **asked(account="club"))
        Producer().post(connection, **asked("typo", account="shpo"))

    # As if its transaction had been open for long: what counts is when a worker sees it.
    ledger.pass_time(engine, waiting.STRAY_AFTER + timedelta(seconds=1))
    assert (sweep(here), work.waits_elsewhere(here), left(engine)) == (0, True, 2)
    ledger.pass_time(engine, waiting.STRAY_AFTER - timedelta(minutes=1))
    assert (sweep(here), work.waits_elsewhere(there)) == (0, True)
    ledger.pass_time(engine, timedelta(minutes=2))
    told = waiting.waiting_long(engine)
    assert told is not None
    assert told.count == 2
    # Nobody knows the other one, and a letter says so; the club's own worker may be away.
    assert sweep(here) == 1
    assert [(one.key, one.reason.id) for one in letters(engine)] == [
        ("typo", "error.settings.unknown_account")
    ]
    assert (waiting.any_due(engine), work.waits_elsewhere(there)) == (True, False)
    assert sweep(there) == 1
    assert [told.account for told in broadcast_reports.reports(engine)] == ["club"]
    assert (waiting.any_due(engine), work.waits_elsewhere(here)) == (False, False)


def test_without_an_account_it_is_for_who_has_one_alone(engine: Engine, app: Engine) -> None:
    with app.begin() as connection:
        Producer().post(connection, **asked())

    both = worker(engine, "shop", "club")
    assert (sweep(both), work.waits_elsewhere(both)) == (0, True)
    assert sweep(worker(engine, "shop")) == 1
    assert [told.account for told in broadcast_reports.reports(engine)] == ["shop"]


@sqlite
def test_what_was_tried_most_comes_last(engine: Engine, app: Engine) -> None:
    keys = [f"k{n}" for n in range(3)]
    for key in keys:
        with app.begin() as connection:
            Producer().post(connection, **asked(key))
    first = waiting.due(engine, accounts=["default"], most=1)[0]
    assert waiting.reserve_request(engine, first)
    ledger.pass_time(engine, waiting.TAKEN_FOR + timedelta(seconds=1))

    assert waiting.due(engine, accounts=["default"], most=5)[-1] == first
    assert waiting.any_due(engine)


def known_accounts_of(engine: Engine, name: str) -> None:
    with engine.begin() as connection:
        known_accounts.register_account(connection, ledger.account(name))


@sqlite
def test_where_nothing_can_be_reached_not_all_that_waits_is_tried(
    engine: Engine, app: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise DatabaseAwayError("error.database.away", reason="-")

    monkeypatch.setattr(program_door, "submit", away)
    with app.begin() as connection:
        for n in range(30):
            Producer().post(connection, **asked(f"k{n}"))

    assert 1 <= sweep(worker(engine)) < 10
    assert left(engine) == 30
