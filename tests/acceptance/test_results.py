"""What became of accepted batches, as mass/get tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery
from sqlalchemy import func, select

from broadcast import names
from broadcast.names import EventKind
from models.every_table import Batch, Event
from tests.kit.endpoints import MASS_GET
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

#: A minute is a tenth of a second.
SCALE = str(1 / 600)


def asked(system: System) -> int:
    """Wake for the due batches, as beat does, and return how often WeChat was asked up to now."""
    with Celery(broker=system.valkey.url, set_as_current=False) as app:
        app.send_task(names.POLL_RESULTS, queue=names.QUEUE)
    return len(system.simulator.calls(path=MASS_GET))


def unanswered(system: System) -> int:
    with system.engine.connect() as connection:
        kinds = select(func.count()).where(Event.kind == EventKind.POLL_UNANSWERED)
        return connection.scalar(kinds) or 0


def polls(system: System) -> list[tuple[str, int]]:
    with system.engine.connect() as connection:
        rows = connection.execute(select(Batch.state, Batch.polls).order_by(Batch.n))
        return [(row.state.value, row.polls) for row in rows]


def ended(system: System) -> bool:
    return [state for state, _ in polls(system)] == ["finished"]


def test_a_refused_question_is_counted_told_and_asked_again_until_wechat_says_the_end(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=40, BROADCAST_WAIT_SCALE=SCALE)
    worker = system.worker()
    system.simulator.fault("errcode", errcode=48001, when="before", count=2, path=MASS_GET)
    told = system.send(system.simulator.openids(20), "--wait")
    assert told["state"] == "completed"

    until(lambda: asked(system) >= 2 and unanswered(system) == 2, 30, "two refused questions")
    assert polls(system) == [("accepted", 2)]
    assert (
        worker.output.count("account default: results are asked for later: stop_account 48001") == 2
    )

    until(lambda: asked(system) and ended(system), 30, "the end of the job")
    assert system.report(told["id"]).state == "completed"


def test_a_refused_token_is_replaced_and_the_question_asked_again(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=40, BROADCAST_WAIT_SCALE=SCALE)
    system.worker()
    told = system.send(system.simulator.openids(20), "--wait")
    system.simulator.invalidate_token()
    until(lambda: asked(system) and ended(system), 30, "the end of the job")
    assert unanswered(system) == 0
    assert told["state"] == "completed"


def test_a_callback_that_is_away_for_all_of_wechats_tries_costs_the_counts_and_nothing_else(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=40, BROADCAST_WAIT_SCALE=SCALE)
    wechat = system.simulator
    # Nobody answers there.
    wechat.set_callback("http://127.0.0.1:9/wechat/default/callback", "token")
    wechat.set_switches(job_delay_s=0, push_repeat_after_s=0)
    system.worker()
    told = system.send(wechat.openids(20), "--wait")
    until(lambda: [one["state"] for one in wechat.pushes()] == ["given up"], 60, "three tries")
    assert len(wechat.pushes()[0]["attempts"]) == 3

    until(lambda: asked(system) and ended(system), 60, "the end of the job")

    shown = " ".join(system.broadcast("status", told["id"]).stdout.split())
    assert "No counts from WeChat: it sent no finish event" in shown
    assert system.report(told["id"]).state == "completed"
