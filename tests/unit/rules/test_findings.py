"""What follows from the facts that the probes of `broadcast doctor` noted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.findings import (
    QUEUES,
    REPAIRED,
    WARNINGS,
    Facts,
    Fault,
    Finding,
    Part,
    Worker,
    judge,
)
from broadcast.views.texts import Texts

F = Fault


def worker(name: str = "celery@one", **facts: Any) -> Worker:
    return Worker(**{"name": name, "installation": "ours", "queues": QUEUES, **facts})


def judged(*found: Finding, **facts: Any) -> list[Finding]:
    given = {"installation": "ours", "workers": [worker()], "has_beat": True, **facts}
    return judge(found, Facts(**given), celery="celery -A worker")[0]


def of(fault: Fault, **more: Any) -> Finding:
    return Finding(fault=fault, what=Message("doctor.no_worker"), **more)


def of_broker(fault: Fault) -> Finding:
    return of(fault, is_of_broker=True)


def test_nothing_is_wrong_where_a_worker_reads_every_queue_and_beat_answers() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("facts", "faults"),
    [
        ({"workers": []}, [F.NO_WORKER]),
        ({"has_beat": False}, [F.NO_BEAT]),
        ({"has_beat": False, "workers": [worker(has_beat=True)]}, []),
        ({"workers": [worker(installation="theirs")]}, [F.WORKER_ELSEWHERE]),
        ({"installation": None, "workers": [worker(installation="theirs")]}, []),
        ({"workers": [worker(queues=None)]}, []),
        ({"workers": [worker(), worker("celery@two", queues=[])]}, [F.WORKER_DEAF]),
        ({"workers": [worker(), worker("celery@two", queues=QUEUES[:1])]}, []),
        ({"workers": None}, []),
    ],
)
def test_what_workers_answer_is_judged(facts: dict[str, Any], faults: list[Fault]) -> None:
    assert [one.fault for one in judged(**facts)] == faults


def test_each_queue_that_a_deaf_worker_lacks_is_added_by_the_command() -> None:
    (deaf,) = judged(workers=[worker("a b@host", queues=[])])

    order = "celery -A worker control --destination 'a b@host' add_consumer"
    assert deaf.command == f"{order} {QUEUES[0]} && {order} {QUEUES[1]}"
    assert deaf.is_repairable


@pytest.mark.parametrize(
    ("machine", "database", "is_wrong"),
    [(181, None, True), (-181, None, True), (30, None, False), (0, 181, True), (None, 181, False)],
)
def test_clocks_that_are_off_by_minutes_are_named(
    machine: int | None, database: int | None, is_wrong: bool
) -> None:
    ahead, of_database = (
        None if each is None else timedelta(seconds=each) for each in (machine, database)
    )

    found = judged(ahead=ahead, database_ahead=of_database)

    assert [one.fault for one in found] == ([F.CLOCK] if is_wrong else [])


@pytest.mark.parametrize(
    ("used", "called", "faults"),
    [(12, 4, [F.OTHER_PROGRAM]), (4, 4, []), (4, 9, []), (12, None, [])],
)
def test_calls_that_the_ledger_does_not_know_are_somebody_elses(
    used: int, called: int | None, faults: list[Fault]
) -> None:
    counts = {} if called is None else {"shop": {SendPath.MASS_SEND: called}}

    found = judged(
        used={"shop": {SendPath.MASS_SEND: used, SendPath.SENDALL: used}},
        called=counts,
        sharing={"shop"},
    )

    assert [one.fault for one in found] == faults


def test_an_account_that_answers_too_late_disturbs_no_count() -> None:
    counts = {SendPath.MASS_SEND: 12}
    used = {"shop": counts}

    class Meanwhile(dict[str, Any]):
        def get(self, account: str, _: Any = None) -> Any:
            used["news"] = counts
            return self[account]

    found = judged(used=used, called=Meanwhile(shop={SendPath.MASS_SEND: 4}))

    assert [one.account for one in found] == ["shop"]


@pytest.mark.parametrize(
    ("cause", "follows", "stays"),
    [
        (of_broker(F.REDIS_AWAY), of(F.BROKER_AWAY), False),
        (of_broker(F.REDIS_FULL), of(F.BROKER_AWAY), False),
        (of_broker(F.REDIS_FULL), of(F.NO_BEAT), False),
        (of_broker(F.REDIS_REPLICA), of(F.NO_WORKER), False),
        (of(F.REDIS_AWAY), of(F.BROKER_AWAY), True),
        (of(F.REDIS_FULL), of(F.NO_BEAT), True),
        (of(F.REDIS_REPLICA), of(F.NO_WORKER), True),
        (of(F.REDIS_AWAY), of(F.REDIS_UNSEEN), True),
        (of(F.SETTINGS), of(F.NO_WORKER), False),
        (of(F.SETTINGS, account="shop"), of(F.NO_WORKER), True),
        (of(F.SETTINGS), of(F.NO_BEAT), True),
        (of(F.NO_ACCOUNT), of(F.NO_WORKER), True),
        (of(F.APPID, account="shop"), of(F.NO_WORKER), True),
        (of(F.APPID, account="shop"), of(F.ACCOUNT_OFF, account="shop"), False),
        (of(F.TOKEN, account="shop"), of(F.ACCOUNT_OFF, account="shop"), False),
        (of(F.TOKEN, account="shop"), of(F.ACCOUNT_OFF, account="news"), True),
        (of(F.QUOTA, account="shop"), of(F.OTHER_PROGRAM, account="shop"), False),
    ],
)
def test_what_follows_from_another_fault_is_left_out(
    cause: Finding, follows: Finding, stays: bool
) -> None:
    found = judged(follows, cause, workers=None)

    assert (follows in found) is stays
    assert cause in found


@pytest.mark.parametrize(
    ("fault", "left_out"),
    [
        (F.DATABASE_AWAY, [Part.STORED]),
        (F.REDIS_AWAY, [Part.TOKEN]),
        (F.BROKER_AWAY, [Part.WORKERS]),
        (F.WHITELIST, [Part.CALLS]),
        (F.REDIS_FULL, []),
        (F.REDIS_REPLICA, []),
        (F.QUOTA, []),
    ],
)
def test_what_could_not_be_looked_at_is_named(fault: Fault, left_out: list[Part]) -> None:
    assert judge([of(fault)], Facts(), celery="celery")[1] == left_out


def test_a_broker_that_takes_no_writes_hides_the_workers() -> None:
    for fault in (F.REDIS_FULL, F.REDIS_REPLICA):
        assert judge([of_broker(fault)], Facts(), celery="celery")[1] == [Part.WORKERS]


def test_each_fault_says_why_it_matters_in_both_languages() -> None:
    for fault in Fault:
        for language in ("zh", "en"):
            assert Texts(language)(of(fault).why)


def test_a_fault_is_repaired_by_its_command_alone() -> None:
    assert not of(F.NO_WORKER).is_repairable
    assert of(F.NO_WORKER, command="celery").is_repairable
    assert not of(F.RESTORED, command="broadcast restored").is_repairable
    # A person halted it, or has to act before the stop is lifted.
    assert not of(F.ACCOUNT_OFF, command="broadcast unhalt").is_repairable
    assert len(REPAIRED) >= 14
    assert set(Fault) > REPAIRED
    assert not of(F.MISSPELT).is_error
    # Anybody can ask at a callback URL: a stranger makes no installation faulty.
    assert not of(F.CALLBACK).is_error
    assert len(set(Fault) - WARNINGS) > len(WARNINGS)
