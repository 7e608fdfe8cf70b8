"""The map from errcodes to outcomes is complete, and each code means what WeChat's pages say."""

from __future__ import annotations

import pytest

from broadcast.call.outcomes import (
    BY_ERRCODE,
    MAY_PASS,
    MAYBE_SENT,
    SPLITTABLE,
    Outcome,
    of_errcode,
)
from wechat.errcodes import errcodes

O = Outcome  # noqa: E741 - the table below reads better

# WeChat's pages and its machine-readable list, sorted by what a sender can do about each code.
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
        45047 45052 45056-45059 45067 45083-45085 45100 45157-45159 45161 46001 46003 47001 47002
        48005 48006 48008 48013 48014 61451 65301-65317 76003 76021 76022 9001001""",
    O.STOP_ACCOUNT: """
        40002 40013 40125 40164 40243 41002 41004 42005 42007 45103 45501 48001 48003 48004 50001
        50002 50004 50007 61007 89501-89503 89506 89507""",
    O.BAD_RECIPIENTS: "40003 40031 40130 43004 43005 43019 46004 48002 49003 50005",
}


def codes(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-") if part[0] != "-" else (part, "", "")
        found.update(range(int(first), int(last or first) + 1))
    return found


def test_every_listed_errcode_has_an_outcome() -> None:
    assert set(errcodes()) - set(BY_ERRCODE) == set()


def test_no_errcode_outside_the_list_has_an_outcome() -> None:
    assert set(BY_ERRCODE) - set(errcodes()) == set()


@pytest.mark.parametrize("outcome", MEANINGS)
def test_codes_of_an_outcome_are_those_that_mean_it(outcome: Outcome) -> None:
    assert {code for code, means in BY_ERRCODE.items() if means is outcome} == codes(
        MEANINGS[outcome]
    )


def test_outcomes_without_a_code_come_from_elsewhere() -> None:
    """UNLISTED is a code that no list names; NOT_CALLED was never a reply."""
    assert set(Outcome) - set(BY_ERRCODE.values()) == {O.UNLISTED, O.NOT_CALLED}


@pytest.mark.parametrize("errcode", [1, 45064, 99999, -2, 20001])
def test_code_that_no_list_names_may_have_been_sent(errcode: int) -> None:
    assert of_errcode(errcode, msg_id=None) is O.UNLISTED
    assert O.UNLISTED in MAYBE_SENT


def test_system_error_is_never_a_refusal() -> None:
    assert {of_errcode(code, msg_id=None) for code in (-1, 61450)} <= MAYBE_SENT


def test_success_without_a_msg_id_cannot_be_trusted() -> None:
    assert of_errcode(0, msg_id=None) is O.UNKNOWN
    assert of_errcode(0, msg_id=34182) is O.ACCEPTED


def test_already_accepted_may_lack_the_msg_id() -> None:
    assert of_errcode(45065, msg_id=None) is O.ALREADY_ACCEPTED


def test_only_codes_about_recipients_split_a_batch() -> None:
    assert {code for code in BY_ERRCODE if code in SPLITTABLE} == SPLITTABLE
    assert {BY_ERRCODE[code] for code in SPLITTABLE} == {O.BAD_RECIPIENTS}


def test_list_that_is_too_short_is_not_halved() -> None:
    assert 40130 not in SPLITTABLE


def test_what_a_person_may_retry_is_a_refusal_that_ends_a_batch() -> None:
    """Everything else goes on by itself, may have been sent, or was taken."""
    assert {BY_ERRCODE[code] for code in MAY_PASS} <= {O.BAD_RECIPIENTS, O.STOP_BROADCAST}
    # A malformed OpenID, another account's, an empty list: the same the next time.
    assert not MAY_PASS & {40003, 40031, 40130, 46004, 49003}
