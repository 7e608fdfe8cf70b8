"""What an audit tells: one line a check, and the rows of those that fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from broadcast.message import Message
from broadcast.rules.states import BatchState, BroadcastState
from broadcast.views.texts import LANGUAGES, Language, Texts
from entrypoints.cli.commands.audit import MOST_SHOWN, as_object, lines
from models.ledger.audit.audit_run import Audit
from models.ledger.audit.case import Check, Fact, Finding, Found
from tests.unit.views.reports import EN

AT = datetime(2026, 3, 1, 4, 5, 6, 789_000, tzinfo=UTC)


def finding(found: Found = Found.LAST, n: int | None = 4, **facts: Fact) -> Finding:
    return Finding(
        found=found,
        account="default",
        broadcast_id="20260301-abc234",
        n=n,
        facts=facts or {"old": "planned", "new": "accepted"},
    )


def an_audit(*findings: Finding) -> Audit:
    done = Audit(broadcasts=1, openids=1_000_000, batches=100, calls=100)
    for one in findings:
        done.add(one)
    return done


def test_every_check_can_find_something() -> None:
    assert {found.check for found in Found} == set(Check)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_check_and_every_finding_has_its_words(lang: Language) -> None:
    texts = Texts(lang)
    for check in Check:
        assert texts.has(f"audit.check.{check}")
        assert texts.has(f"audit.means.{check}")
    for found in Found:
        assert texts.has(f"audit.found.{found}")


def test_good_audit_is_one_line_a_check() -> None:
    head, *checks, verdict = lines(an_audit())
    assert "1,000,000 OpenIDs" in EN(head)
    assert [line.id for line in checks] == ["audit.good"] * len(Check)
    assert EN(verdict) == f"All {len(Check)} checks passed."


def test_the_last_line_of_an_audit_is_its_verdict() -> None:
    *_, verdict = lines(an_audit(finding(), finding()))
    assert EN(verdict) == f"1 of {len(Check)} checks failed."


def test_one_of_a_thing_is_told_as_one() -> None:
    head = next(lines(Audit(broadcasts=1, openids=2, batches=1, calls=1)))
    assert EN(head) == "Audited: 1 broadcast, 2 OpenIDs, 1 batch, 1 call."


def test_empty_database_is_said_and_nothing_else() -> None:
    assert list(lines(Audit())) == [Message("audit.empty")]


def test_finding_names_check_broadcast_batch_and_what_it_means() -> None:
    told = list(lines(an_audit(finding())))
    at = next(place for place, line in enumerate(told) if line.id == "audit.bad")
    assert told[at].facts == {"check": Message("audit.check.moves"), "count": 1}
    assert told[at + 1].facts == {
        "id": "20260301-abc234",
        "account": "default",
        "n": 4,
        "found": Message("audit.found.moves.last", old=BatchState.PLANNED, new=BatchState.ACCEPTED),
    }
    assert told[at + 2] == Message("audit.means", means=Message("audit.means.moves"))


def test_broadcast_s_own_row_names_no_batch() -> None:
    told = list(lines(an_audit(finding(n=None, old="sending", new="strange"))))
    [row] = [line for line in told if line.id == "audit.row"]
    assert row.facts["found"] == Message(
        "audit.found.moves.last", old=BroadcastState.SENDING, new="strange"
    )


def test_moments_are_beijing_s_to_the_millisecond_and_utc_in_json() -> None:
    one = Finding(
        found=Found.HALTED,
        account="default",
        broadcast_id="20260301-abc234",
        n=1,
        facts={"number": 2, "at": AT},
    )
    done = an_audit(one)
    assert any("2026-03-01 12:05:06.789" in EN(line) for line in lines(done))
    (row,) = as_object(done, None, EN)["findings"]
    assert row["facts"] == {"number": 2, "at": "2026-03-01T04:05:06.789000Z"}


def test_many_rows_are_cut_and_counted() -> None:
    told = list(lines(an_audit(*[finding(n=n) for n in range(MOST_SHOWN + 5)])))
    assert sum(line.id == "audit.row_batch" for line in told) == MOST_SHOWN
    assert Message("audit.more", count=5) in told


def test_object_has_every_check_and_can_be_written() -> None:
    told = as_object(an_audit(finding()), "20260301-abc234", EN)
    assert json.loads(json.dumps(told)) == told
    assert set(told["checks"]) == {check.value for check in Check}
    assert (told["ok"], told["checks"]["moves"], told["error"]) == (False, 1, None)
    (row,) = told["findings"]
    assert (row["check"], row["code"], row["batch"]) == ("moves", "moves.last", 4)
