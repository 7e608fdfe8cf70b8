"""resolve and retry on a terminal: what they show, do and refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.acceptance.by_hand import doubt, good
from tests.kit import ledger
from tests.kit.command_line import CommandLine
from tests.kit.ledger import Driver, said


def test_status_names_for_each_doubt_where_to_look_and_the_command(
    line: CommandLine, store: Engine, sent: str
) -> None:
    doubt(Driver(store))

    for lang in ("en", "zh"):
        shown = line.run("status", sent, BROADCAST_LANG=lang).out
        told = shown[shown.index("mp.weixin.qq.com") :].splitlines()
        assert "发表记录" in told[0]
        command = f"    broadcast resolve {sent} --batch 1"
        assert told[2:4] == [f"{command} --sent", f"{command} --not-sent"]


def test_sent_closes_as_accepted_and_not_sent_as_refused(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    doubt(driver)
    doubt(driver)

    was = good(line.run("resolve", sent, "--batch", "1", "--sent", "99", "--why", "seen there"))
    was_not = good(line.run("resolve", sent, "--batch", "2", "--not-sent"))

    assert "closed as accepted, msg_id 99" in was
    # Nobody is there to be asked.
    assert "your verdict is recorded, but not verified" in was
    assert "closed as refused: not sent" in was_not
    assert f"broadcast retry {sent}" in was_not
    told = line.run("status", sent, "--json").json
    assert told["recipients"] == {
        "accepted": 2,
        "refused": 2,
        "cancelled": 0,
        "in_doubt": 0,
        "waiting": 4,
    }
    assert told["batch_list"][0]["msg_id"] == 99
    again = line.run("resolve", sent, "--batch", "1", "--sent", "99")
    assert "was already closed as accepted" in good(again)
    assert "already" in good(line.run("resolve", sent, "--batch", "2", "--not-sent"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--batch", "1"), "--sent or --not-sent"),
        (("--batch", "1", "--sent", "9", "--not-sent"), "not both"),
        (("--not-sent",), "--batch is missing"),
        (("--batch", "9", "--not-sent"), "has no batch 9. In doubt: 1"),
        (("--batch", "2", "--not-sent"), "not in doubt (accepted by WeChat"),
        (("--batch", "1", "--sent", "7"), "belongs to batch 2 of broadcast"),
    ],
)
def test_words_that_cannot_be_are_refused_in_one_line(
    line: CommandLine, store: Engine, sent: str, words: tuple[str, ...], told: str
) -> None:
    driver = Driver(store)
    doubt(driver)
    driver.call(said(0, msg_id=7))
    before = line.rows()

    result = line.run("resolve", sent, *words)

    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert told in result.err
    assert line.rows() == before


def test_retry_tells_what_it_did_and_what_it_left_and_why(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    doubt(driver)
    for fact in (said(43004), said(40003), said(0, msg_id=4)):
        driver.call(fact)
    assert f"broadcast retry {sent}" in line.run("status", sent).out

    first = good(line.run("retry", sent))
    again = good(line.run("retry", sent))

    assert "batch 2 (2 followers) will be called again" in first
    assert "Not changed: batch 1 (2 followers) is in doubt" in first
    assert "Not changed: batch 3 (2 followers) was refused for a reason that does not" in first
    assert "(40003)" in first
    assert "no refused batch can be called again" in again
    assert "Not changed: batch 2 (2 followers) is waiting" in again
    assert driver.next().n == 2


def test_retry_on_a_halted_account_says_that_the_account_stands_still(
    line: CommandLine, store: Engine, sent: str
) -> None:
    driver = Driver(store)
    driver.call(said(43004))
    for n in range(1, 4):
        driver.call(said(0, msg_id=n))
    line.run("halt", "--account", "default")

    told = good(line.run("retry", sent))

    assert "Resumed, but the account is halted or stopped, so nothing is sent." in told
    assert "Resumed." not in told


def test_retry_of_a_cancelled_broadcast_is_refused_in_one_line(
    line: CommandLine, sent: str
) -> None:
    line.run("cancel", sent)
    result = line.run("retry", sent)
    assert (result.status, len(result.lines), result.out) == (2, 1, "")
    assert "a cancel is final" in result.err
    assert "broadcast retry" not in line.run("status", sent).out


def test_reply_that_says_otherwise_than_a_person_is_told(
    line: CommandLine, store: Engine, sent: str
) -> None:
    doubt(Driver(store))
    line.run("resolve", sent, "--batch", "1", "--not-sent")
    line.run("retry", sent)
    ledger.pass_time(store, timedelta(seconds=30))
    Driver(store, owner="later").call(said(45065, msg_id=71))

    shown = line.run("status", sent).out

    assert (
        "Batch 1: marked as not sent by an operator, but WeChat's reply contradicts this" in shown
    )
    assert "msg_id 71" in shown
