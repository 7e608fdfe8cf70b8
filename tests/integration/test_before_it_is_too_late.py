"""What an operator is asked and shown before followers get something that cannot be recalled."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import CallResult
from entrypoints.cli.main import run
from models.ledger.lane import leases
from models.ledger.lists import recipients, suppressions
from models.ledger.rows import locked_rows
from models.ledger.steer import operator
from models.ledger.submit import overlaps
from models.ledger.views import broadcast_reports
from tests.integration.models.test_follower_syncs import synced as followers_synced
from tests.integration.models.test_known import PEOPLE, STRANGERS, planned, sent
from tests.integration.models.test_late_calls import published
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said
from tests.kit.seat import sit


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def words(capsys: pytest.CaptureFixture[str], *command: str, status: int = 0) -> str:
    assert run(command) == status
    told = capsys.readouterr()
    return told.out + told.err


def typed(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Sit at a terminal and type *answer*."""
    sit(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))


def old_one(engine: Engine, *facts: CallResult) -> str:
    """Send to ten followers after the other with these results; return the broadcast's id."""
    broadcast_id = planned(engine, PEOPLE, text="old")
    driver = Driver(engine)
    for fact in facts:
        driver.call(fact)
    leases.release(engine, driver.lease)
    return broadcast_id


def refused_in_the_middle(engine: Engine) -> str:
    """Ten got it, of ten the content was refused, twenty wait for a person."""
    return old_one(engine, said(0, msg_id=1), said(40007))


#: What stands in the way of each word, so that it lets the third ten be called.
STOPPED: Mapping[str, Sequence[CallResult]] = {
    "resume": (said(0, msg_id=1), said(40007)),
    "retry": (said(0, msg_id=1), said(0, msg_id=2), said(48008)),
}


@pytest.mark.parametrize("word", ["retry", "resume"])
def test_who_has_no_terminal_must_say_yes_where_a_newer_one_reached_the_rest(
    here: Engine, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    old = old_one(here, *STOPPED[word])
    new = sent(here, PEOPLE[10:], text="new", calls=4)
    before = broadcast_reports.report(here, old).version

    refused = words(capsys, word, old, status=2)

    assert f"got a newer broadcast, or may have, or will ({new})" in refused
    assert refused.endswith(f"broadcast {word} {old} --yes\n")
    assert len(refused.splitlines()) == 1
    assert broadcast_reports.report(here, old).version == before
    words(capsys, word, old, "--yes")
    assert broadcast_reports.report(here, old).version > before


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("y", 0)])
@pytest.mark.parametrize("word", ["retry", "resume"])
def test_on_a_terminal_it_is_asked(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    word: str,
    answer: str,
    status: int,
) -> None:
    old = old_one(here, *STOPPED[word])
    sent(here, PEOPLE[10:], text="new", calls=4)
    before = broadcast_reports.report(here, old).version
    typed(monkeypatch, answer)

    told = words(capsys, word, old, status=status)

    assert "[y/N]" in told
    assert ("Nothing was changed" in told) == bool(status)
    assert (broadcast_reports.report(here, old).version == before) == bool(status)


def test_a_resume_of_what_was_never_called_asks_where_a_newer_one_took_its_place(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paused for a wrong link, and the right one sent to the whole list meanwhile."""
    old = planned(here, PEOPLE, text="wrong link")
    operator.pause(here, old, who="tests")
    later = planned(here, PEOPLE, text="next week's")
    assert "Resumed" not in words(capsys, "resume", old, "--json", status=0)
    operator.pause(here, old, who="tests")
    operator.pause(here, later, who="tests")
    new = sent(here, PEOPLE, text="right link", calls=4)

    refused = words(capsys, "resume", old, status=2)

    assert f"({new})" in refused


@pytest.mark.parametrize("word", ["retry", "resume"])
def test_where_no_newer_one_reached_them_nobody_is_asked(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    old = old_one(here, *STOPPED[word])
    sent(here, [*PEOPLE[:10], *STRANGERS], text="new", calls=1)
    typed(monkeypatch, "y")

    assert "newer broadcast" not in words(capsys, word, old)


def test_a_retry_that_a_pause_or_a_refused_content_keeps_from_calling_does_not_ask(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The resume asks that lets them be called."""
    old = refused_in_the_middle(here)
    sent(here, PEOPLE[10:], text="new", calls=4)

    assert "if one of them" in words(capsys, "retry", old).lower()
    operator.pause(here, old, who="tests")
    words(capsys, "retry", old)
    assert f"broadcast resume {old} --yes" in words(capsys, "resume", old, status=2)


def test_a_resume_of_what_nobody_paused_and_a_retry_of_what_is_cancelled_look_at_no_list(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    going = planned(here, PEOPLE, text="going")
    Driver(here).call(said(0, msg_id=1))
    planned(here, PEOPLE, text="new")
    monkeypatch.setattr(locked_rows, "newer", None)

    assert "was already running" in words(capsys, "resume", going)
    operator.cancel(here, going, who="tests")
    assert "cancelled" in words(capsys, "retry", going, status=2)


def test_a_retry_of_one_that_goes_on_does_not_ask_for_what_waits_anyway(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    old = old_one(here, said(0, msg_id=1))
    made = planned(here, PEOPLE[20:], text="new")

    assert made not in words(capsys, "retry", old)


def send(folder: Path, names: list[str], *options: str) -> list[str]:
    (folder / "list.csv").write_text("\n".join(["openid", *names]), encoding="utf-8")
    return ["send", "--openids", "list.csv", "--text", "new", *options]


@pytest.mark.parametrize(
    ("language", "fact", "asked"),
    [
        (
            "en",
            "20 of this list got a broadcast today, or may have (2 broadcasts).\n",
            "? 20 of them already got a broadcast today, or may have.",
        ),
        (
            "zh",
            "名单中 20 位今天已收到或可能已收到群发（共 2 个群发）。\n",
            "群发。其中 20 位今天已收到或可能已收到群发。",
        ),
    ],
)
def test_the_question_says_how_many_got_a_broadcast_today(
    here: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    language: str,
    fact: str,
    asked: str,
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", language)
    monkeypatch.setenv("COLUMNS", "80")
    sent(here, PEOPLE[:20], text="one", calls=4)
    sent(here, PEOPLE[10:20], text="two", calls=4)
    typed(monkeypatch, "n")

    told = words(capsys, *send(tmp_path, [*PEOPLE, *STRANGERS]), status=1)

    assert fact in told
    assert asked in told.replace("\n", " ").replace("。 ", "。")


def test_what_is_scheduled_to_the_same_list_is_named_with_its_time(
    here: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = datetime.now(UTC) + timedelta(days=2)
    later = ledger.published(here, ledger.body(size=40, text="later", at=at), size=40)
    typed(monkeypatch, "n")

    told = words(capsys, *send(tmp_path, PEOPLE[:9]), status=1)

    assert f"9 of this list will also get broadcast {later}, at " in told
    assert f"9 of them will also get broadcast {later}. It cannot be" in told.replace("\n", " ")


def test_a_program_looks_at_earlier_versions_alone(
    here: Engine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent(here, PEOPLE, text="one", calls=4)
    monkeypatch.setattr(overlaps, "list_overlaps", None)

    assert "Stored as" in words(capsys, *send(tmp_path, PEOPLE[:20]))


def test_an_unhalt_names_what_goes_on_at_once_and_a_halt_what_does_not(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    going = planned(here, PEOPLE, text="Live on Friday, 20:00")
    Driver(here).call(said(0, msg_id=1))

    halted, freed = words(capsys, "halt"), words(capsys, "unhalt")

    assert "no longer sends these broadcasts (1):" in halted
    assert "goes on with these broadcasts (1), at once where a worker runs:" in freed
    for told in (halted, freed):
        assert going in told
        assert "    Live on Friday, 20:00\n" in told
        assert "30 waiting" in told


def test_lines_that_were_skipped_are_listed_on_their_own_alone(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = planned(here, PEOPLE, text="one")

    told = words(
        capsys, "recipients", broadcast_id, "--set", "skipped", "--set", "waiting", status=2
    )

    assert "--set skipped stands alone" in told


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("y", 0)])
def test_a_resume_of_refused_content_is_asked_on_a_terminal(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: str,
    status: int,
) -> None:
    old = refused_in_the_middle(here)
    typed(monkeypatch, answer)

    told = words(capsys, "resume", old, status=status)

    assert "WeChat refused this content (40007). The same content is sent to 20 followers" in told
    assert (broadcast_reports.report(here, old).state.value == "paused") == bool(status)


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("y", 0)])
def test_a_resume_after_its_time_is_asked_on_a_terminal(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: str,
    status: int,
) -> None:
    late = published(here, ledger.body(at=datetime.now(UTC) + timedelta(hours=1)))
    operator.pause(here, late, who="tests")
    ledger.pass_time(here, timedelta(hours=2))
    assert "has passed: once resumed, it is sent at once" in words(capsys, "status", late)
    typed(monkeypatch, answer)

    told = words(capsys, "resume", late, status=status)

    assert "has passed. It is sent at once. Resume? [y/N]" in told
    assert (broadcast_reports.report(here, late).state.value == "paused") == bool(status)


def test_who_may_have_it_is_not_counted_among_those_who_were_not_sent_it(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    going = planned(here, PEOPLE, text="going")
    Driver(here).call(LOST)
    typed(monkeypatch, "n")

    shown = words(capsys, "status", going)
    listed = words(capsys, "recipients", going, "--set", "waiting")
    asked = words(capsys, "cancel", going, status=1)

    assert "40 waiting (10 of them possibly sent)" in shown
    assert "10 of these may have it" in listed
    assert "Not sent yet: 30 followers; they will never get it. 10 more may have it" in asked


def test_what_was_never_cut_into_batches_is_held_against_a_newer_one_too(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    scheduled, cancelled = (
        published(here, replace(ledger.body(at=datetime.now(UTC) + timedelta(hours=1)), key=key))
        for key in ("paused", "cancelled")
    )
    operator.pause(here, scheduled, who="tests")
    operator.cancel(here, cancelled, who="tests")
    people = words(capsys, "recipients", scheduled, "--set", "waiting").split()
    new = sent(here, [one for one in people if len(one) == 28], text="new", calls=2)

    refused = words(capsys, "resume", scheduled, status=2)
    shown = words(capsys, "status", cancelled)

    assert f"({new})" in refused
    assert "of the rest got a newer" in shown, shown


def test_of_followers_who_are_not_counted_yet_nobody_says_that_wechat_alone_can(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    followers_synced(here, PEOPLE, minute=0)
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    words(capsys, "send", "--followers", "--with-tag", "2", "--text", "later", "--at", at)
    typed(monkeypatch, "y")

    asked = words(capsys, "cancel", "@last")
    shown = words(capsys, "status", "@last")

    assert "Nothing of it was sent yet, and nobody will get it. [y/N]" in asked
    assert "List: followers with tag 2 of our list\n" in shown


def test_who_is_left_out_by_a_list_of_ours_is_listed_without_a_line(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = planned(here, PEOPLE, text="one")
    with here.begin() as connection:
        recipients.count_skipped(connection, broadcast_id, "suppressed", more=1, sample=[PEOPLE[0]])

    plain = words(capsys, "recipients", broadcast_id, "--set", "skipped")
    table = words(capsys, "recipients", broadcast_id, "--set", "skipped", "--csv")

    assert f"\tsuppressed\t{PEOPLE[0]}\n" in f"\n{plain}"
    assert "0\tsuppressed" not in plain
    assert f"{PEOPLE[0]},,skipped,suppressed" in table


@pytest.mark.parametrize("answer", ["n", "y"])
def test_who_asked_out_by_a_keyword_is_taken_off_the_list_only_after_a_yes(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    moment = datetime.now(UTC)
    wish = suppressions.OptOutMessage(openid=PEOPLE[0], at=moment, received_at=moment, out=True)
    suppressions.apply_opt_outs(here, "default", [wish])
    assert "they asked out by a keyword." in words(capsys, "follower", PEOPLE[0])
    sit(monkeypatch)
    typed(monkeypatch, answer)

    said_no = answer == "n"
    out = words(capsys, "suppress", "remove", PEOPLE[0], status=int(said_no))

    assert "asked out by a keyword" in out
    assert bool(suppressions.of_openid(here, "default", PEOPLE[0])) is said_no
