"""What an audit tells: one line a check, and the rows of those that fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from broadcast import text
from broadcast.text import t
from cli.commands.audit import MOST_SHOWN, as_object, lines
from models.ledger.audit import CHECKS, Audit, Check, Finding, Found
from models.ledger.audit.findings import CallResult

AT = datetime(2026, 3, 1, 4, 5, 6, 789_000, tzinfo=UTC)


def finding(found: Found = Found.LAST, n: int | None = 4, **facts: CallResult) -> Finding:
    return Finding(
        found=found, account="default", broadcast_id="20260301-abc234", n=n,
        facts=facts or {"old": "planned", "new": "accepted"},
    )  # fmt: skip


def an_audit(*findings: Finding) -> Audit:
    done = Audit(broadcasts=1, openids=1_000_000, batches=100, calls=100)
    for one in findings:
        done.add(one)
    return done


def test_every_check_is_asked() -> None:
    assert {*CHECKS, Check.OVERLAPS} == set(Check)
    assert {found.check for found in Found} == set(Check)


@pytest.mark.parametrize("lang", text.LANGUAGES)
def test_every_check_and_every_finding_has_its_words(
    lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", lang)
    for check in Check:
        assert t(f"audit.check.{check}")
        assert t(f"audit.means.{check}")
    for found in Found:
        assert t(f"audit.found.{found}")


def test_good_audit_is_one_line_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    told = list(lines(an_audit()))
    assert "1,000,000 OpenIDs" in told[0]
    assert [line.split()[0] for line in told[1:]] == ["ok"] * len(Check)


def test_one_of_a_thing_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    head = next(lines(Audit(broadcasts=1, openids=2, batches=1, calls=1)))
    assert head == "Audited: 1 broadcast, 2 OpenIDs, 1 batch, 1 call."


def test_empty_database_is_said_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    assert list(lines(Audit())) == ["Nothing to audit: there is no broadcast yet."]


def test_finding_names_check_broadcast_batch_and_what_it_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    told = list(lines(an_audit(finding())))
    at = next(place for place, line in enumerate(told) if line.startswith("WRONG"))
    assert told[at] == "WRONG  This does not hold: Every state was reached by legal moves (1 found)"
    assert "20260301-abc234 batch 4 (account default)" in told[at + 1]
    assert "What it means:" in told[at + 2]


def test_broadcast_s_own_row_names_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    told = "\n".join(lines(an_audit(finding(n=None, old="sending", new="strange"))))
    assert "20260301-abc234 (account default): its history ends at “sending" in told
    assert "“strange”" in told


def test_moments_are_beijing_s_to_the_millisecond_and_utc_in_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    one = Finding(
        found=Found.HALTED, account="default", broadcast_id="20260301-abc234", n=1,
        facts={"number": 2, "at": AT},
    )  # fmt: skip
    done = an_audit(one)
    assert "2026-03-01 12:05:06.789" in "\n".join(lines(done))
    (row,) = as_object(done, None)["findings"]
    assert row["facts"] == {"number": 2, "at": "2026-03-01T04:05:06.789000Z"}


def test_many_rows_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    told = list(lines(an_audit(*[finding(n=n) for n in range(MOST_SHOWN + 5)])))
    assert sum("batch" in line and "stands as" in line for line in told) == MOST_SHOWN
    assert any("and 5 more" in line for line in told)


def test_object_has_every_check_and_can_be_written() -> None:
    told = as_object(an_audit(finding()), "20260301-abc234")
    assert json.loads(json.dumps(told)) == told
    assert set(told["checks"]) == {check.value for check in Check}
    assert (told["ok"], told["checks"]["moves"], told["error"]) == (False, 1, None)
    (row,) = told["findings"]
    assert (row["check"], row["code"], row["batch"]) == ("moves", "moves.last", 4)
