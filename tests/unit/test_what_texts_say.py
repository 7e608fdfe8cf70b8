"""Every blocker of the catalogue says how to go on, and no error is a bare word."""

from __future__ import annotations

import re

import pytest

from tests.unit.test_catalogue import catalogue

#: What goes on without anybody, or is lifted together with the line above it.
CONTINUES = {"en": ("ontinues automatically", "The same command"), "zh": ("自动继续", "上述命令")}
#: Parts of other texts; what only a newer release can open; and doubts, whose commands follow each
#: with its batch.
WITHOUT_COMMAND = {
    "blocker.at_once",
    "blocker.account_newer_release",
    "blocker.newer_release",
    "blocker.in_doubt",
    "blocker.in_doubt_one",
    "blocker.scheduled_off",
    "blocker.scheduled_paused",
    "blocker.paused_for_content_in_part",
}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_whatever_keeps_a_broadcast_waiting_names_the_command_or_continues_automatically(
    lang: str,
) -> None:
    blockers = {i: t for i, t in catalogue(lang).items() if i.startswith("blocker.")}

    without = {
        i
        for i, t in blockers.items()
        if "\n    broadcast " not in t and not any(words in t for words in CONTINUES[lang])
    }
    assert len(blockers) > 20
    assert without == WITHOUT_COMMAND


def test_the_first_line_of_every_notice_has_the_keyword_that_a_bot_may_ask_for() -> None:
    english, chinese = catalogue("en"), catalogue("zh")
    either = {
        i for texts in (english, chinese) for i, t in texts.items() if t.startswith(("[", "【"))
    }
    notices = sorted(i for i in either if i.startswith("notice."))

    assert "notice.rehearsal" in notices
    assert [i for i in notices if not english[i].startswith("[broadcast] ")] == []
    assert [i for i in notices if not chinese[i].startswith("【群发】")] == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_error_is_one_line_of_two_statements_or_more(lang: str) -> None:
    errors = {i: t for i, t in catalogue(lang).items() if i.startswith("error.")}

    assert [i for i, t in errors.items() if "\n" in t] == []
    bare = [
        i
        for i, t in errors.items()
        if len(re.findall(r"[^.;:?。；：？，]{3,}(?:[.;:?，] ?|[。；：？，]|$)", t)) < 2
        and not i.startswith("error.settings.")
        and "{" not in t[:1]
    ]
    assert bare == []
