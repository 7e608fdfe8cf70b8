"""What follows from what WeChat and the clocks said before the start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from broadcast.message import Message
from broadcast.rules import readiness
from broadcast.rules.plan.proof import Quota
from broadcast.rules.readiness import (
    AccountFacts,
    AddressFacts,
    Check,
    ClockFacts,
    Level,
    Refusal,
    Subject,
    off_alone,
)

LEFT = Quota(daily_limit=100, used=3, remain=97)
NOT_WHITELISTED = "invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist"


def checks(**facts: Any) -> list[Check]:
    """The checks of one account that can send, but for *facts*."""
    fine: dict[str, Any] = {
        "name": "shop",
        "token_problem": None,
        "calls": LEFT,
        "appid_setting": "WECHAT_APPID",
        "appsecret_setting": "WECHAT_APPSECRET",
    }
    return list(readiness.of_account(AccountFacts(**fine | facts)))


def only(**facts: Any) -> Check:
    [check] = checks(token_problem=facts.pop("token_problem"), calls=None, **facts)
    assert (check.level, check.account) == (Level.FAILED, "shop")
    assert readiness.failed([check]) == [check]
    return check


def test_an_account_that_can_send_has_its_token_its_address_and_its_calls() -> None:
    found = checks()

    assert [one.subject for one in found] == [Subject.TOKEN, Subject.WHITELIST, Subject.CALLS]
    assert {one.level for one in found} == {Level.GOOD}
    assert found[-1].found == Message("check.calls.good", remain=97, limit=100)


def test_no_call_left_is_a_warning() -> None:
    calls = checks(calls=Quota(daily_limit=100, used=100, remain=0))[-1]

    assert (calls.level, calls.found.id) == (Level.WARNING, "check.calls.none")


@pytest.mark.parametrize(
    "calls", [Refusal(errcode=76022, errmsg="not available"), Message("transport.read_timeout")]
)
def test_calls_that_nobody_can_tell_keep_nobody_from_sending(calls: Refusal | Message) -> None:
    assert checks(calls=calls)[-1].level is Level.WARNING


@pytest.mark.parametrize(
    ("errcode", "fix", "setting"),
    [
        (40013, "fix.check.appid", "WECHAT_APPID"),
        (41002, "fix.check.appid", "WECHAT_APPID"),
        (40125, "fix.check.appsecret", "WECHAT_APPSECRET"),
        (40001, "fix.check.appsecret", "WECHAT_APPSECRET"),
    ],
)
def test_a_wrong_login_names_the_setting_to_correct(errcode: int, fix: str, setting: str) -> None:
    check = only(token_problem=Refusal(errcode=errcode, errmsg="x"))

    assert check.subject is Subject.TOKEN
    assert check.fix == Message(fix, setting=setting)


@pytest.mark.parametrize(
    ("errcode", "errmsg"),
    [
        (40164, NOT_WHITELISTED),
        (61004, "access clientip is not registered requestIP: 47.94.148.108"),
    ],
)
def test_an_address_that_is_not_listed_is_named_as_wechat_saw_it(errcode: int, errmsg: str) -> None:
    check = only(token_problem=Refusal(errcode=errcode, errmsg=errmsg))

    assert check.subject is Subject.WHITELIST
    assert check.fix == Message("fix.check.list", ip="47.94.148.108")
    assert check.found.facts["ip"] == "47.94.148.108"


def test_a_call_that_is_refused_for_its_address_counts_as_the_token() -> None:
    [check] = checks(calls=Refusal(errcode=61004, errmsg="requestIP: 47.94.148.108"))

    assert (check.subject, check.level) == (Subject.WHITELIST, Level.FAILED)


def test_an_address_that_another_process_heard_of_is_asked_for() -> None:
    check = only(token_problem=Refusal(errcode=40164))

    assert check.fix == Message("fix.check.list_unnamed")


@pytest.mark.parametrize("errcode", sorted(readiness.FIXES))
def test_each_code_with_a_fix_of_its_own_gets_it(errcode: int) -> None:
    assert only(token_problem=Refusal(errcode=errcode)).fix == Message(f"fix.check.{errcode}")


def test_another_code_is_told_with_wechats_words_and_the_command_that_explains_it() -> None:
    check = only(token_problem=Refusal(errcode=99999, errmsg="new trouble"))

    assert check.fix == Message("fix.check.other", errmsg="new trouble", errcode=99999)


@pytest.mark.parametrize(
    "problem", [Refusal(errcode=-1, errmsg="system error"), Message("transport.reset")]
)
def test_what_passes_is_tried_again(problem: Refusal | Message) -> None:
    assert only(token_problem=problem).fix == Message("fix.check.again")


@pytest.mark.parametrize(
    ("errmsg", "seen"),
    [
        (NOT_WHITELISTED, "47.94.148.108"),
        ("invalid ip ::ffff:10.1.2.3, not in whitelist", "10.1.2.3"),
        ("invalid ip 2408:4004::1 ipv6 2408:4004::1, not in whitelist", "2408:4004::1"),
        ("invalid ip , not in whitelist", None),
        ("added face bad 1.2.3", None),
        ("", None),
        (None, None),
    ],
)
def test_the_address_is_read_from_wechats_words(errmsg: str | None, seen: str | None) -> None:
    assert readiness.address_seen(errmsg) == seen


def test_an_address_that_does_not_answer_fails_with_the_reason() -> None:
    reason = Message("transport.dns")

    check = readiness.of_address(AddressFacts(address="https://x", problem=reason))

    assert check.level is Level.FAILED
    assert check.found.facts == {"address": "https://x", "reason": reason}


def seconds(n: float | None) -> timedelta | None:
    return None if n is None else timedelta(seconds=n)


@pytest.mark.parametrize(
    ("machine", "database", "level", "found"),
    [
        (0, None, Level.GOOD, "good"),
        (-60, 60, Level.GOOD, "good"),
        (61, None, Level.WARNING, "machine_ahead"),
        (-301, None, Level.FAILED, "machine_behind"),
        # Schedules run by the database's clock alone.
        (-301, 0, Level.WARNING, "machine_behind_alone"),
        (4000, 1, Level.WARNING, "machine_ahead_alone"),
        (0, 300, Level.WARNING, "database_ahead"),
        (0, -301, Level.FAILED, "database_behind"),
        (400, 400, Level.FAILED, "database_ahead"),
        (None, None, Level.WARNING, "unknown"),
    ],
)
def test_the_clock_that_schedules_run_by_decides(
    machine: float | None, database: float | None, level: Level, found: str
) -> None:
    facts = ClockFacts(machine=seconds(machine), database=seconds(database))

    check = readiness.of_clocks(facts)

    assert (check.level, check.found.id) == (level, f"check.clock.{found}")


def test_an_account_that_cannot_send_keeps_no_other_from_it() -> None:
    good, bad = (
        Check(subject=Subject.TOKEN, level=level, found=Message("x"), account=name)
        for name, level in (("shop", Level.GOOD), ("school", Level.FAILED))
    )
    clock = Check(subject=Subject.CLOCK, level=Level.FAILED, found=Message("x"))

    assert off_alone([good, bad], ["shop", "school"]) == ["school"]
    assert off_alone([good], ["shop"]) == []
    assert off_alone([bad], ["school"]) is None
    assert off_alone([good, bad, clock], ["shop", "school"]) is None
