"""Why something stands still by itself: how often what happened, the mend, and one command."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import Endpoint, Outcome, meaning
from broadcast.states import BroadcastState
from broadcast.text import t
from cli import standing
from tests.unit.cli.test_report import FREE, NOW, STOPPED, told

DOUBTS = replace(
    FREE, stopped_at=NOW, stop_reason=Reason.TOO_MANY_DOUBTS, stop_count=3,
    stop_broadcasts=("20261127-abcdef", "20261127-fedcba"),
)  # fmt: skip


@pytest.fixture(params=["en", "zh"])
def lang(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each language in turn."""
    monkeypatch.setenv("BROADCAST_LANG", request.param)
    name: str = request.param
    return name


def test_a_pause_for_refusals_tells_how_many_what_they_mean_and_the_command(lang: str) -> None:
    paused = told(
        BroadcastState.PAUSED, reason=Reason.TOO_MANY_REFUSALS, reason_errcode=40003, reason_count=3
    )

    [line] = standing.lines(paused)

    for part in ("3", "40003", t("errcode.40003"), "broadcast cancel 20261127-abcdef"):
        assert part in line
    assert line.endswith("broadcast resume 20261127-abcdef")
    assert line.startswith({"en": "Paused by itself:", "zh": "已自动暂停："}[lang])


@pytest.mark.parametrize(
    ("reason", "code", "words"),
    [
        (Reason.CONTENT_REFUSED, 45002, ("45002", "broadcast cancel 20261127-abcdef")),
        (Reason.CONTENT_REFUSED, 43004, ("43004", "broadcast resume 20261127-abcdef")),
        (Reason.QUOTA_MONTH, 45028, ("45028", "broadcast resume 20261127-abcdef")),
    ],
)
def test_a_pause_by_one_refusal_tells_the_mend(
    lang: str, reason: Reason, code: int, words: tuple[str, str]
) -> None:
    [line] = standing.lines(told(BroadcastState.PAUSED, reason=reason, reason_errcode=code))

    assert words[0] in line
    assert line.endswith(words[1])
    assert line.startswith({"en": "Paused by itself:", "zh": "已自动暂停："}[lang])


def test_a_code_that_no_list_names_has_no_meaning_to_tell(lang: str) -> None:
    del lang
    paused = told(BroadcastState.PAUSED, reason=Reason.TOO_MANY_REFUSALS, reason_errcode=40000999)

    [line] = standing.lines(paused)

    assert t("explain.no_meaning") in line


def test_a_stop_for_doubts_names_their_broadcasts_and_both_commands(lang: str) -> None:
    [line] = standing.stops("shop", DOUBTS, NOW)

    assert all(one in line for one in DOUBTS.stop_broadcasts)
    assert "broadcast resolve ID --batch N --sent MSG_ID" in line
    assert line.endswith("broadcast unhalt --account shop")
    assert line.startswith({"en": "Stopped by itself:", "zh": "已自动停止："}[lang])


@pytest.mark.parametrize("code", sorted(standing.MENDS))
def test_a_code_that_stops_an_account_has_its_own_mend(lang: str, code: int) -> None:
    del lang
    assert meaning(Endpoint.MASS_SEND, code).outcome in {Outcome.STOP_ACCOUNT, Outcome.TOKEN}

    [line] = standing.stops("shop", replace(STOPPED, stop_errcode=code), NOW)

    assert t(f"mend.account.{code}") in line
    assert t(f"mend.account.{code}") != t("mend.account")
    assert line.endswith("broadcast unhalt --account shop")


def test_any_other_stop_is_to_be_mended_all_the_same(lang: str) -> None:
    del lang
    [line] = standing.stops("shop", replace(STOPPED, stop_errcode=45501), NOW)
    assert t("mend.account") in line
