"""The maps from errcodes to outcomes are complete, and each code means what WeChat's pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broadcast.rules.calls.outcomes import (
    MAPS,
    MAY_PASS,
    MAYBE_SENT,
    SPLITTABLE,
    Endpoint,
    Outcome,
    Scope,
    meaning,
    of_send,
    scope_of,
)
from broadcast.wechat.errcodes import errcodes

O = Outcome  # noqa: E741 - the table below reads better

PAGE = Path(__file__).parents[3] / "docs/wechat-api.md"
# Five digits on the page that are no errcodes: a count of an example, and the statuses of an event.
NO_ERRCODES = {
    10000,
    10001,
    20001,
    20002,
    20004,
    20006,
    20008,
    20013,
    20431,
    21000,
    22000,
    30001,
    30002,
    30003,
}
NUMBER = re.compile(r"(?<![\w#.:-])(\d{5}|9001001)(?:–(\d{5}))?(?![\w.:])")
SENDS = (Endpoint.MASS_SEND, Endpoint.SENDALL)
QUESTIONS = (Endpoint.MASS_GET, Endpoint.QUOTA, Endpoint.TOKEN)

# WeChat's pages and its machine-readable list, sorted by what mass/send can do about each code.
MEANINGS = {
    O.ACCEPTED: "0",
    O.ALREADY_ACCEPTED: "44007 45065",
    O.TOKEN: "40001 40014 41001 42001",
    O.THROTTLED: "42010 45011",
    O.WAIT: "45061 45102 46007 89504-89505",
    O.QUOTA_TODAY: "44993 45009",
    O.QUOTA_MONTH: "45028 45040",
    O.UNKNOWN: "-1 45066 61450",
    O.STOP_BROADCAST: """
        40004-40012 40032 40033 40035 40038 40050 40059 40060 40065 40068 40073 40097 40126 40128
        40132 40137 40152 41005 41006 41011 43001-43003 44001-44005 45001-45008 45015 45019-45021
        45047 45052 45056-45059 45064 45067 45083-45086 45100 45157-45159 45161 46001 46003 47001
        47002 48005 48006 48008 48013 48014 61451 65301-65317 76003 76021 76022 9001001""",
    O.STOP_ACCOUNT: """
        40002 40013 40125 40164 40243 41002 41004 42005 42007 45103 45106 45501 48001 48003 48004
        50001 50002 50004 50007 61007 89501-89503 89506 89507""",
    O.BAD_RECIPIENTS: "40003 40031 40130 43004 43005 43019 46004 48002 49003 50005",
}


def codes(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-") if part[0] != "-" else (part, "", "")
        found.update(range(int(first), int(last or first) + 1))
    return found


def named_by_the_page() -> set[int]:
    """Every errcode that the page names, in whatever section; ranges as they stand."""
    found = {0, -1}
    for first, last in NUMBER.findall(PAGE.read_text()):
        found |= set(range(int(first), int(last or first) + 1))
    return found - NO_ERRCODES


def test_the_page_is_read_with_every_section_and_range() -> None:
    named = named_by_the_page()

    assert named >= {-1, 40006, 40010, 45064, 45086, 65309, 89502, 45158, 40003, 9001001}
    assert not named & NO_ERRCODES


def test_the_table_names_the_errcodes_of_the_page() -> None:
    assert set(errcodes()) == named_by_the_page()


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_errcode_has_a_meaning_at_every_endpoint_and_no_other_number(
    endpoint: Endpoint,
) -> None:
    assert set(MAPS[endpoint]) == named_by_the_page()


@pytest.mark.parametrize("outcome", MEANINGS)
def test_codes_of_an_outcome_are_those_that_mean_it(outcome: Outcome) -> None:
    told = {c for c, means in MAPS[Endpoint.MASS_SEND].items() if means.outcome is outcome}

    assert told == codes(MEANINGS[outcome])


def test_outcomes_without_a_code_come_from_elsewhere() -> None:
    """UNLISTED is a code that no list names; NOT_CALLED was never a reply."""
    told = {means.outcome for means in MAPS[Endpoint.MASS_SEND].values()}

    assert set(Outcome) - told == {O.UNLISTED, O.NOT_CALLED}


@pytest.mark.parametrize("endpoint", SENDS)
@pytest.mark.parametrize("errcode", [1, 99999, -2, 20001])
def test_code_that_no_list_names_may_have_been_sent(endpoint: Endpoint, errcode: int) -> None:
    assert of_send(endpoint, errcode, msg_id=None) is O.UNLISTED
    assert O.UNLISTED in MAYBE_SENT


@pytest.mark.parametrize("endpoint", SENDS)
def test_system_error_is_never_a_refusal(endpoint: Endpoint) -> None:
    assert {of_send(endpoint, code, msg_id=None) for code in (-1, 61450)} <= MAYBE_SENT


@pytest.mark.parametrize("endpoint", SENDS)
def test_success_without_a_msg_id_cannot_be_trusted(endpoint: Endpoint) -> None:
    assert of_send(endpoint, 0, msg_id=None) is O.UNKNOWN
    assert of_send(endpoint, 0, msg_id=34182) is O.ACCEPTED


@pytest.mark.parametrize("endpoint", SENDS)
def test_refusal_that_names_a_job_is_no_refusal(endpoint: Endpoint) -> None:
    told = {of_send(endpoint, code, msg_id=7) for code in MAPS[endpoint] if code}

    assert told == {O.ALREADY_ACCEPTED, O.UNKNOWN}


def test_already_accepted_may_lack_the_msg_id() -> None:
    assert of_send(Endpoint.MASS_SEND, 45065, msg_id=None) is O.ALREADY_ACCEPTED


@pytest.mark.parametrize(
    ("endpoint", "errcode", "means"),
    [
        (Endpoint.MASS_SEND, 45009, (O.QUOTA_TODAY, Scope.PATH)),
        (Endpoint.SENDALL, 45009, (O.QUOTA_TODAY, Scope.PATH)),
        (Endpoint.MASS_GET, 45009, (O.QUOTA_TODAY, Scope.PATH)),
        (Endpoint.QUOTA, 44993, (O.QUOTA_TODAY, Scope.PATH)),
        (Endpoint.TOKEN, 45009, (O.QUOTA_TODAY, Scope.ACCOUNT)),
        (Endpoint.MASS_SEND, 45011, (O.THROTTLED, Scope.ACCOUNT)),
        (Endpoint.MASS_GET, 45011, (O.THROTTLED, Scope.PATH)),
        (Endpoint.MASS_SEND, 48003, (O.STOP_ACCOUNT, Scope.ACCOUNT)),
        (Endpoint.SENDALL, 48003, (O.STOP_ACCOUNT, Scope.PATH)),
        (Endpoint.SENDALL, 45028, (O.QUOTA_MONTH, Scope.PATH)),
        (Endpoint.MASS_SEND, 45028, (O.QUOTA_MONTH, Scope.BROADCAST)),
        (Endpoint.MASS_GET, 48001, (O.STOP_ACCOUNT, Scope.PATH)),
        (Endpoint.MASS_GET, 40164, (O.STOP_ACCOUNT, Scope.ACCOUNT)),
        (Endpoint.QUOTA, 42001, (O.TOKEN, Scope.ACCOUNT)),
        (Endpoint.TOKEN, 40001, (O.STOP_ACCOUNT, Scope.ACCOUNT)),
        (Endpoint.MASS_SEND, 40003, (O.BAD_RECIPIENTS, Scope.BATCH)),
        (Endpoint.SENDALL, 40003, (O.STOP_BROADCAST, Scope.BROADCAST)),
        (Endpoint.SENDALL, 45159, (O.STOP_BROADCAST, Scope.BROADCAST)),
        (Endpoint.MASS_SEND, 99999, (O.UNLISTED, Scope.BATCH)),
        (Endpoint.QUOTA, 99999, (O.UNLISTED, Scope.PATH)),
        (Endpoint.PREVIEW, 40132, (O.BAD_RECIPIENTS, Scope.PATH)),
        (Endpoint.PREVIEW, -1, (O.UNKNOWN, Scope.PATH)),
        (Endpoint.PREVIEW, 45009, (O.QUOTA_TODAY, Scope.PATH)),
        (Endpoint.DELETE, 40059, (O.STOP_BROADCAST, Scope.PATH)),
        (Endpoint.CLEAR_QUOTA, 61450, (O.UNKNOWN, Scope.PATH)),
        (Endpoint.TAGS, 45059, (O.BAD_RECIPIENTS, Scope.PATH)),
        (Endpoint.TAGS, 49003, (O.BAD_RECIPIENTS, Scope.PATH)),
        (Endpoint.TAGS, 40164, (O.STOP_ACCOUNT, Scope.ACCOUNT)),
    ],
)
def test_code_means_what_it_means_at_its_endpoint(
    endpoint: Endpoint, errcode: int, means: tuple[Outcome, Scope]
) -> None:
    assert meaning(endpoint, errcode) == means


@pytest.mark.parametrize("endpoint", [Endpoint.MASS_GET, Endpoint.QUOTA])
def test_question_stops_the_account_by_its_credentials_alone(endpoint: Endpoint) -> None:
    stops = {code for code, means in MAPS[endpoint].items() if means.scope is Scope.ACCOUNT}

    own = codes(f"{MEANINGS[O.STOP_ACCOUNT]} {MEANINGS[O.TOKEN]}") - {45103, 45106, 48001, 48004}
    assert stops == own


@pytest.mark.parametrize("endpoint", QUESTIONS)
def test_question_has_no_unknown_outcome_and_no_recipients(endpoint: Endpoint) -> None:
    told = {means.outcome for means in MAPS[endpoint].values()}

    assert not told & (MAYBE_SENT | {O.ALREADY_ACCEPTED, O.BAD_RECIPIENTS})


def test_outcome_without_a_code_concerns_whom_it_usually_does() -> None:
    assert scope_of(Endpoint.MASS_SEND, O.WAIT, None) is Scope.ACCOUNT
    assert scope_of(Endpoint.MASS_SEND, O.UNKNOWN, None) is Scope.BATCH
    # A figure that contradicts the outcome is no reason for a scope.
    assert scope_of(Endpoint.SENDALL, O.UNKNOWN, 48003) is Scope.BATCH


def test_only_codes_about_recipients_split_a_batch() -> None:
    assert set(MAPS[Endpoint.MASS_SEND]) >= SPLITTABLE
    told = {meaning(Endpoint.MASS_SEND, code).outcome for code in SPLITTABLE}
    assert told == {O.BAD_RECIPIENTS}


def test_list_that_is_too_short_is_not_halved() -> None:
    assert 40130 not in SPLITTABLE


def test_what_a_person_may_retry_is_a_refusal_that_ends_a_batch() -> None:
    """Everything else goes on by itself, may have been sent, or was taken."""
    told = {meaning(Endpoint.MASS_SEND, code).outcome for code in MAY_PASS}
    assert told <= {O.BAD_RECIPIENTS, O.STOP_BROADCAST}
    # A malformed OpenID, another account's, an empty list: the same the next time.
    assert not MAY_PASS & {40003, 40031, 40130, 46004, 49003}
