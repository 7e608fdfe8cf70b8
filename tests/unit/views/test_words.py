"""Facts in words, in the language of whoever reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broadcast.errors import InputError, OutOfReachError
from broadcast.message import Message
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.views import words
from broadcast.views.texts import Language, Texts, choose_language
from broadcast.views.words import (
    Between,
    Joined,
    Meaning,
    Moment,
    Shortened,
    code_of,
    follower_count,
    speaker,
)
from tests.unit.views.reports import EN, NOW, ZH


@pytest.mark.parametrize(
    ("lang", "away", "wanted"),
    [
        ("zh", timedelta(hours=6), "2026-11-27 周五 20:00（北京时间，6 小时后）"),
        ("en", timedelta(hours=6), "Fri 2026-11-27 20:00 Beijing time (in 6 h)"),
        ("zh", timedelta(0), "2026-11-27 周五 14:00（北京时间，现在）"),
        ("en", timedelta(seconds=-90), "Fri 2026-11-27 13:58 Beijing time (90 s ago)"),
        ("zh", timedelta(minutes=30), "2026-11-27 周五 14:30（北京时间，30 分钟后）"),
        ("zh", timedelta(days=3, hours=10), "2026-12-01 周二 00:00（北京时间，4 天后）"),
        ("zh", timedelta(days=3, hours=9), "2026-11-30 周一 23:00（北京时间，3 天后）"),
        ("en", timedelta(days=-2, hours=-15), "Tue 2026-11-24 23:00 Beijing time (3 days ago)"),
        ("en", timedelta(hours=47), "Sun 2026-11-29 13:00 Beijing time (in 47 h)"),
    ],
)
def test_a_moment_is_told_in_beijing_time_with_its_distance(
    lang: Language, away: timedelta, wanted: str
) -> None:
    assert words.fact_words(Moment(NOW + away, NOW), Texts(lang)) == wanted


def test_followers_that_only_wechat_can_count_are_not_told_as_none() -> None:
    assert words.fact_words(follower_count(1200), EN) == "1,200 followers"
    assert words.fact_words(follower_count(1), EN) == "1 follower"
    assert words.fact_words(follower_count(0), ZH) == "0 人"
    assert words.fact_words(follower_count(None), EN) == "number of followers known only to WeChat"
    assert words.fact_words(follower_count(None), ZH) == "人数只有微信知道"


@pytest.mark.parametrize(
    ("many", "wanted"),
    [(10, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"), (11, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 … (11 in all)")],
)
def test_of_many_the_first_are_named_and_all_are_counted(many: int, wanted: str) -> None:
    assert words.fact_words(Shortened(range(1, many + 1)), EN) == wanted


@pytest.mark.parametrize(
    ("fact", "wanted"),
    [
        (Between(first=NOW, last=NOW, now=NOW), "Fri 2026-11-27 14:00 Beijing time (now)"),
        (timedelta(hours=25), "25 h"),
        (code_of(None, "words"), ""),
        (code_of(40003), " (40003)"),
        (code_of(-1, "system error"), " (-1 system error)"),
        (Meaning(40003), "an OpenID is malformed or of another account"),
        (Meaning(987654), "this code is in none of WeChat's lists"),
        (speaker("ann", None), "ann"),
        (speaker("ann", "a typo"), "ann (“a typo”)"),
        (Reason.NONE, "no reason recorded"),
        (BatchState.SPLIT, "split into smaller batches"),
        (BroadcastState.PAUSED, "paused"),
        (Outcome.NOT_CALLED, "not called, returned unsent"),
        (Joined([Message("comma"), Message("comma")], "separator"), ",  · , "),
        (Message("span.days", n=3), "3 days"),
        ((1, 2), "1, 2"),
        (45009, 45009),
        ("a {brace}", "a {brace}"),
    ],
)
def test_each_kind_of_fact_has_its_words(fact: object, wanted: object) -> None:
    assert words.fact_words(fact, EN) == wanted


def test_an_error_inside_an_error_is_told_in_the_same_language() -> None:
    away = OutOfReachError("error.broker.away", reason="refused")
    whole = OutOfReachError("send.not_stored", problem=away, command="broadcast send")

    assert EN(whole).startswith("The broker cannot be reached (refused)")
    assert ZH(whole).startswith(ZH(away))


def test_two_languages_in_one_process_do_not_disturb_each_other() -> None:
    error = InputError("error.key.empty")

    assert [EN(error), ZH(error), EN(error)] == [EN(error.message), ZH(error.message), EN(error)]
    assert EN(error) != ZH(error)


def test_an_error_in_a_log_has_its_id_and_its_facts() -> None:
    assert str(InputError("error.key.too_long", length=200, most=128)) == (
        "error.key.too_long (length=200, most=128)"
    )
    assert str(InputError("error.key.empty")) == "error.key.empty"


def test_a_moment_in_an_error_is_written_in_beijing_time() -> None:
    repeated = InputError("error.submit.repeated", id="x", at=NOW)

    assert "at 2026-11-27 14:00 (Beijing time)" in EN(repeated)
    assert "北京时间 2026-11-27 14:00 提交过" in ZH(repeated)
    later = NOW + timedelta(seconds=5)
    assert "14:00:05" in EN(
        InputError("error.submit.other_time", at=later, stored=NOW, key="k", id="x")
    )


def test_a_text_that_is_missing_is_a_bug() -> None:
    with pytest.raises(KeyError):
        EN("no.such.text")


def test_a_text_without_facts_shows_its_braces_once() -> None:
    """The catalogue doubles them, as every text is filled."""
    assert '{"msgtype": "text"' in EN(InputError("error.content.no_object"))
    assert "{{" not in EN(InputError("error.content.no_object"))


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"BROADCAST_LANG": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        ({"BROADCAST_LANG": " EN ", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"BROADCAST_LANG": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"BROADCAST_LANG": "fr", "LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LC_CTYPE": "zh_CN.UTF-8"}, "zh"),
        ({}, "en"),
    ],
)
def test_the_language_is_that_of_the_setting_else_of_the_locale(
    environment: dict[str, str | None], wanted: Language
) -> None:
    assert choose_language(environment) == wanted


def test_an_errmsg_begins_no_line_and_turns_no_text_round() -> None:
    hostile = "bad\r\nBroadcast completed\u2028\u202e"

    shown = EN(Message("report.why", why=code_of(48008, hostile)))

    assert len(shown.splitlines()) == 1
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("n", "wanted"),
    [(0, "0 followers"), (1, "1 follower"), (2, "2 followers"), (1_000, "1,000 followers")],
)
def test_a_number_names_one_or_several_of_what_it_counts(n: int, wanted: str) -> None:
    assert EN("send.followers", n=n) == wanted
    assert ZH("send.followers", n=n) == f" {n:,} 位粉丝"
