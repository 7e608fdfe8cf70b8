"""A broadcast that is cancelled before its list comes has none, whoever stores one just then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from broadcast.errors import ConflictError, DatabaseAwayError, InputError, UnknownIdError
from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.plan import submission
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.submission import Body, TakenOverError
from broadcast.rules.reports import Did
from broadcast.rules.states import BroadcastState
from models.every_table import ChunkRow
from models.ledger.audit.case import Found
from models.ledger.boxes import webhooks
from models.ledger.lists import recipients, uploads
from models.ledger.outcomes import resolves
from models.ledger.rows import locked_rows
from models.ledger.steer import operator, retries, sweeps
from models.ledger.submit import awaited_lists, submits
from models.ledger.views import broadcast_reports, received
from models.ledger.views.broadcast_reports import Followed
from tests.integration.models.tampering import found
from tests.kit import ledger
from tests.kit.ledger import body

pytestmark = pytest.mark.every_database

URL = "https://hooks.example.com/broadcasts"
SIZE = 20


def awaiting(said: Body) -> Body:
    """The same without its list."""
    return replace(said, audience=OpenIDs(digest=""))


def reserve(engine: Engine, said: Body) -> tuple[str, bool]:
    return awaited_lists.reserve(
        engine, awaiting(said), request="{}", who="tests", title=None, notify_url=URL
    )


@pytest.fixture
def mine(engine: Engine) -> Body:
    """A body whose id is reserved."""
    said = body(key="one")
    return replace(said, reserved=reserve(engine, said)[0])


def id_of(said: Body) -> str:
    assert said.reserved is not None
    return said.reserved


def begin(engine: Engine, said: Body) -> int:
    return awaited_lists.begin(engine, id_of(said), said)


def add(engine: Engine, said: Body, fence: int, part: slice = slice(None)) -> None:
    listed = list(ledger.chunks(ledger.openids(SIZE)))[part]
    uploads.add_chunks(engine, id_of(said), listed, fence=fence)


def publish(engine: Engine, said: Body, fence: int) -> None:
    submits.publish(
        engine,
        id_of(said),
        said,
        figures=ledger.figures(size=SIZE, batches=2),
        terms=submission.Terms(who="tests"),
        quota=None,
        fence=fence,
    )


def cancel(engine: Engine, said: Body) -> bool:
    return operator.cancel(engine, id_of(said), who="tests", why="wrong list")


def chunks(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(ChunkRow)) or 0


def test_a_try_that_stores_the_list_publishes_nothing_after_the_cancel(
    engine: Engine, mine: Body
) -> None:
    fence = begin(engine, mine)
    add(engine, mine, fence, slice(1))

    assert cancel(engine, mine)

    assert chunks(engine) == 0
    with pytest.raises(TakenOverError):
        add(engine, mine, fence)
    for late in (
        lambda: publish(engine, mine, fence),
        lambda: begin(engine, mine),
        lambda: submits.find(engine, mine),
    ):
        with pytest.raises(ConflictError) as caught:
            late()
        assert caught.value.message_id == "error.submit.list_cancelled"
    awaited_lists.stop(engine, id_of(mine), fence)
    assert not awaited_lists.is_being_stored(engine, id_of(mine))
    assert broadcast_reports.report(engine, id_of(mine)).state is BroadcastState.CANCELLED
    assert (chunks(engine), found(engine)) == (0, set())


def test_after_its_list_is_published_a_cancel_is_one_like_any_other(
    engine: Engine, mine: Body
) -> None:
    fence = begin(engine, mine)
    add(engine, mine, fence)
    publish(engine, mine, fence)

    assert cancel(engine, mine)

    report = broadcast_reports.report(engine, id_of(mine))
    assert (report.state, report.is_unlisted) == (BroadcastState.CANCELLED, False)
    assert ledger.counted(report)["cancelled"] == SIZE
    # The same list is found, and it is not sent.
    assert submits.find(engine, mine) == mine.reserved
    assert chunks(engine) > 0
    assert found(engine) == set()


def test_of_a_cancel_and_a_list_at_once_either_is_first_and_nothing_is_sent(
    engine: Engine,
) -> None:
    for n in range(6):
        said = body(key=f"race {n}", text=f"race {n}")
        said = replace(said, reserved=reserve(engine, said)[0])
        fence, together = begin(engine, said), threading.Barrier(2)
        with ThreadPoolExecutor(2) as threads:
            stored = threads.submit(_stored, engine, said, fence, together)
            together.wait()
            assert cancel(engine, said)
            report, was_first = broadcast_reports.report(engine, id_of(said)), stored.result()
        assert report.state is BroadcastState.CANCELLED
        assert report.is_unlisted is not was_first
        assert ledger.counted(report)["cancelled"] == (SIZE if was_first else 0)
    assert found(engine) == set()


def _stored(engine: Engine, said: Body, fence: int, together: threading.Barrier) -> bool:
    """Return whether its list was published."""
    together.wait()
    try:
        add(engine, said, fence)
        publish(engine, said, fence)
    except (TakenOverError, ConflictError):
        return False
    return True


def test_it_ends_cancelled_with_figures_of_0_and_is_told_so_everywhere(
    engine: Engine, mine: Body
) -> None:
    broadcast_id = id_of(mine)
    add(engine, mine, begin(engine, mine))
    followed = Followed(engine, broadcast_id)
    assert followed.see().report.state is BroadcastState.UPLOADING

    assert cancel(engine, mine)

    assert not cancel(engine, mine)
    report = broadcast_reports.report(engine, broadcast_id)
    assert report.is_unlisted
    assert set(report.audience.values()) == set(report.recipients.values()) == {0}
    assert set(report.batches.values()) == {0}
    assert report.finished_at is not None
    assert report.operator_actions is not None
    assert [one.did for one in report.operator_actions.actions] == [Did.CANCEL]
    assert [one.state for one in followed.see().became] == [BroadcastState.CANCELLED]
    assert [one.state for one in broadcast_reports.reports(engine, awaited_only=True)] == [
        BroadcastState.CANCELLED
    ]
    assert list(recipients.portions(engine, broadcast_id, *recipients.NAMES[:5])) == []
    assert recipients.skipped(engine, broadcast_id) == []
    assert received.of_openid(engine, "default", ledger.openids(SIZE)[0], most=9) == []
    assert locked_rows.of_open(engine, most=9) == []
    (hook,) = webhooks.of_broadcast(engine, broadcast_id)
    assert (hook.kind, hook.url) == ("broadcast.cancelled", URL)
    assert found(engine) == set()


@pytest.mark.parametrize(
    ("word", "refusal"),
    [
        (lambda engine, one: operator.resume(engine, one, who="tests"), "error.broadcast.ended"),
        (lambda engine, one: retries.retry(engine, one, who="tests"), "error.retry.cancelled"),
        (
            lambda engine, one: resolves.resolve(engine, one, 1, verdict=NotSent(), who="tests"),
            "error.resolve.no_batch",
        ),
    ],
)
def test_no_word_brings_it_back(
    engine: Engine, mine: Body, word: Callable[[Engine, str], object], refusal: str
) -> None:
    cancel(engine, mine)

    with pytest.raises(InputError) as caught:
        word(engine, id_of(mine))
    assert caught.value.message_id == refusal
    assert not operator.pause(engine, id_of(mine), who="tests")
    operator.halt(engine, "default", who="tests")
    operator.unhalt(engine, "default", who="tests")
    assert broadcast_reports.report(engine, id_of(mine)).state is BroadcastState.CANCELLED
    assert found(engine) == set()


def test_its_key_stays_its_own_and_no_sweep_forgets_it(engine: Engine, mine: Body) -> None:
    cancel(engine, mine)
    ledger.pass_time(engine, timedelta(days=31))

    assert sweeps.forget_uploads(engine) == 0
    assert reserve(engine, body(key="one")) == (mine.reserved, False)
    assert locked_rows.under_key(engine, "default", "one") == mine.reserved
    for other in (
        lambda: reserve(engine, body(key="one", text="别的")),
        lambda: submits.find(engine, body(key="one")),
        lambda: submits.begin(engine, body(key="one"), who="tests"),
    ):
        with pytest.raises(ConflictError) as caught:
            other()
        assert caught.value.message_id == "error.submit.key_taken"
    # The same send under another key is no repeat of what nobody got.
    assert ledger.published(engine, body(key="two"))


def test_what_whoever_cancelled_left_of_the_list_is_swept(
    engine: Engine, mine: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long its list was awaited does not count: the audit dates the rest by the cancel.
    ledger.pass_time(engine, timedelta(hours=3))
    add(engine, mine, begin(engine, mine))

    def away(*_: object) -> None:
        raise DatabaseAwayError("error.database.away", cause="cut")

    with monkeypatch.context() as patched:
        patched.setattr(awaited_lists, "clear_unlisted", away)
        assert cancel(engine, mine)
    assert chunks(engine) > 0
    assert received.of_openid(engine, "default", ledger.openids(SIZE)[0], most=9) == []
    assert found(engine) == set()
    ledger.pass_time(engine, timedelta(hours=3))
    assert found(engine) == {Found.GIVEN_UP}

    assert [sweeps.forget_uploads(engine) for _ in range(2)] == [1, 0]

    assert (chunks(engine), found(engine)) == (0, set())
    assert broadcast_reports.report(engine, id_of(mine)).state is BroadcastState.CANCELLED


def test_only_a_list_that_comes_later_can_be_cancelled_before_it_is_there(
    engine: Engine, mine: Body
) -> None:
    of_a_command = ledger.upload(engine, body(key="two"))
    with pytest.raises(ConflictError) as caught:
        operator.cancel(engine, of_a_command, who="tests")
    assert caught.value.message_id == "error.broadcast.uploading"

    ledger.pass_time(engine, timedelta(hours=25))
    while sweeps.forget_uploads(engine):
        pass
    with pytest.raises(UnknownIdError):
        cancel(engine, mine)
