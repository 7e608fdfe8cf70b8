"""What `broadcast explain` tells to do is what is really done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broadcast.message import Message
from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.decide import Policy, Verdict, decide
from broadcast.rules.calls.outcomes import MAPS, Endpoint, Outcome, meaning
from broadcast.rules.calls.waits import Waits
from broadcast.views.errcode_words import OF_SENDS, lines, of_call
from broadcast.views.texts import LANGUAGES, Language
from tests.unit.views.reports import EN
from tools import fix_tables

NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
OF_MASS_SEND = MAPS[Endpoint.MASS_SEND]
RECIPIENTS = sorted(c for c, m in OF_MASS_SEND.items() if m.outcome is Outcome.BAD_RECIPIENTS)


def called(number: int, errcode: int | None, outcome: Outcome, *, at: datetime) -> Attempt:
    return Attempt(
        number=number, outcome=outcome, errcode=errcode, started_at=at, outcome_recorded_at=at
    )


@pytest.mark.parametrize("errcode", RECIPIENTS)
def test_a_batch_that_is_said_to_be_halved_is_halved(errcode: int) -> None:
    refused = called(1, errcode, Outcome.BAD_RECIPIENTS, at=NOON)

    verdict = decide([refused], now=NOON, policy=Policy(size=10_000, splits_left=4)).verdict

    wanted = {Verdict.SPLIT: "fix.bad_recipients", Verdict.REFUSE: "fix.bad_list"}[verdict]
    assert of_call(errcode) == Message(wanted)


def test_a_list_that_is_blamed_as_a_whole_is_not_said_to_be_halved() -> None:
    assert "not split" in EN(of_call(40130))
    assert "is split into halves" in EN(of_call(40003))


def test_an_unknown_outcome_is_repeated_as_long_as_is_said() -> None:
    history, now = [called(1, -1, Outcome.UNKNOWN, at=NOON)], NOON
    policy = Policy(size=10_000, splits_left=4, waits=Waits())
    while (decision := decide(history, now=now, policy=policy)).verdict is Verdict.REPEAT_UNKNOWN:
        assert decision.not_before is not None
        now = decision.not_before
        history.append(called(len(history) + 1, -1, Outcome.UNKNOWN, at=now))

    hours = round((now - NOON) / timedelta(hours=1))
    assert decision.verdict is Verdict.DOUBT
    assert of_call(-1) == Message("fix.unknown", tries=len(history) - 1, hours=hours, window=23)


@pytest.mark.parametrize("errcode", [40001, 45009, 48001, 99999999])
def test_other_codes_have_the_text_of_what_they_end_as(errcode: int) -> None:
    ended = meaning(Endpoint.MASS_SEND, errcode).outcome
    assert of_call(errcode) == Message(f"fix.{ended}")


def explained(errcode: int) -> list[str]:
    return [line.id for line in lines(errcode)]


def test_a_code_that_stops_the_account_names_the_fix_the_place_and_the_command() -> None:
    assert explained(40164) == ["explain.fix", "explain.where", "explain.unhalt"]
    assert explained(48003) == ["explain.fix", "explain.unhalt"]
    assert explained(45103) == ["fix.stop_account"]


def test_a_code_of_a_mass_send_says_what_it_means_for_the_access_token_too() -> None:
    assert explained(45009) == ["explain.fix", "explain.token"]
    assert explained(40001) == ["explain.fix", "explain.token", "explain.where"]
    assert explained(40007) == ["explain.fix"]


@pytest.mark.parametrize("errcode", OF_SENDS)
def test_a_fix_says_what_the_system_does_by_itself(errcode: int) -> None:
    """Whoever reads of a pause, a wait or a doubt must not do it again by hand."""
    words = {
        Outcome.STOP_BROADCAST: "is paused",
        Outcome.QUOTA_MONTH: "broadcast resume",
        Outcome.QUOTA_TODAY: "automatically",
        Outcome.THROTTLED: "automatically",
        Outcome.TOKEN: "fetched again",
        Outcome.ALREADY_ACCEPTED: "in doubt",
        Outcome.BAD_RECIPIENTS: "refused",
    }

    assert words[meaning(Endpoint.MASS_SEND, errcode).outcome] in EN(next(lines(errcode)))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_tables_of_the_quickstart_are_those_of_explain(lang: Language) -> None:
    assert fix_tables.FILES[lang].read_text("utf-8") == fix_tables.document(lang)
