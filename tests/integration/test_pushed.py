"""What an operator sees of WeChat's pushes: what waits, and what nobody can read."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.accounts import TRIAL, make
from broadcast.rules.calls.attempts import LARGEST_MSG_ID
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.pushes import push_of
from broadcast.views.texts import Texts
from entrypoints.cli.main import run
from entrypoints.cli.pushed import push_lines
from models.ledger.boxes import pushes
from producer.pushes import MOST_TRIES, handle
from tests.kit import ledger
from tests.kit.ledger import Driver, said
from tests.kit.pushes import event, finished


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(words) == status
    return capsys.readouterr().out


def store(engine: Engine, fields: Mapping[str, object]) -> None:
    assert pushes.store(engine, push_of("default", fields, text=json.dumps(fields)))


def test_pushes_that_wait_for_a_worker_are_counted_with_the_next_step(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    store(here, event("subscribe"))
    assert "wait" not in told(capsys, "accounts")
    ledger.pass_time(here, timedelta(hours=2))
    store(here, finished(1))

    out = " ".join(told(capsys, "accounts").split())

    assert "2 pushes wait for a worker, the first since" in out
    assert "Start one: `broadcast up`" in out
    [account] = json.loads(told(capsys, "accounts", "--json").splitlines()[-1])["accounts"]
    assert (account["waiting_pushes"], account["unhandled_pushes"]) == (2, 0)
    assert account["waiting_since"]


def test_end_of_a_job_that_nobody_can_read_is_shown_and_blocks_nothing(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here, batches=1)
    store(here, {**finished(1), "MsgID": "9" * 30, "Status": "很" * 5_000})
    for _ in range(MOST_TRIES):
        handle(here, tuning=DEFAULT_TUNING, goes_on=lambda: True)
        ledger.pass_time(here, pushes.FIRST_PAUSE * 2**MOST_TRIES)
    store(here, finished(3_000_000_012) | {"CreateTime": int(time.time())})
    handle(here, tuning=DEFAULT_TUNING, goes_on=lambda: True)

    accounts = told(capsys, "accounts")
    command = next(line for line in accounts.splitlines() if "broadcast reconcile" in line).split()
    out = told(capsys, *command[1:], status=1)
    [account] = json.loads(told(capsys, *command[1:], "--json", status=1).splitlines()[-1])[
        "accounts"
    ]

    assert "1 push could not be read and is set aside" in " ".join(accounts.split())
    assert "A push of WeChat's (MASSSENDJOBFINISH) came" in " ".join(out.split())
    assert "msg_id 3000000012" in told(capsys, "reconcile", status=1)
    [unread] = [one for one in account["differences"] if one["difference"] == "unread"]
    assert unread["push"]["body"].startswith("{")
    assert len(unread["push"]["body"]) <= 2_000
    assert broadcast_id in told(capsys, "status")


def test_what_no_push_of_wechats_says_is_shown_shortened_and_breaks_no_command(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever signs with the token in plain mode may write what they like."""
    ledger.broadcast(here, batches=1)
    Driver(here).call(said(0, msg_id=LARGEST_MSG_ID))
    urls = [{"ArticleIdx": n, "ArticleUrl": f"https://{n}." + "u" * 1_100} for n in range(50)]
    huge: dict[str, object] = {
        "Status": "很" * 5_000,
        "TotalCount": 2**63,
        "SentCount": 2**63,
        "FilterCount": -1,
        "CreateTime": 253_402_300_799,
        "ArticleUrlResult": {"ResultList": urls},
        "CopyrightCheckResult": {"CheckState": 2**63, "ResultList": urls},
    }
    for msg_id in (LARGEST_MSG_ID, LARGEST_MSG_ID + 1, 3_000_000_012):
        store(here, {**finished(msg_id), **huge})
    handle(here, tuning=DEFAULT_TUNING, goes_on=lambda: True)

    for words, status in (
        (("status",), 0),
        (("reconcile",), 1),
        (("accounts",), 0),
        (("list",), 0),
    ):
        for line in told(capsys, *words, status=status).splitlines():
            assert len(line) < 600
        json.loads(told(capsys, *words, "--json", status=status).splitlines()[-1])
    out = " ".join(told(capsys, "status").split())
    assert "… and 24 more article links" in out
    assert "msg_id 3000000012" in told(capsys, "reconcile", status=1)


@pytest.mark.parametrize(("name", "who"), [("default", "WeChat"), (TRIAL, "the simulator")])
def test_account_of_the_simulator_is_not_told_to_save_a_url_at_wechat(name: str, who: str) -> None:
    account = make(name, appid="wx0000000000000001", appsecret="f" * 32, callback_token="token")

    [line] = map(Texts("en"), push_lines(account, None))

    assert line.startswith(f"No push from {who} yet")
    assert ("saved at WeChat" in line) is (who == "WeChat")
