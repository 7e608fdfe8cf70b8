"""``broadcast dead``: what other programs sent in vain is listed, shown, sent again or dropped."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, update

from broadcast.message import Message
from broadcast.rules.dead_letters import MOST_OPEN_CHARACTERS, Letter, LetterSource, LetterState
from entrypoints.cli.main import run
from entrypoints.cli.terminal import Terminal
from models.box_tables import DeadLetterRow
from models.engine import now
from models.ledger.boxes import dead_letters
from models.ledger.boxes.outbox import LONG
from producer import Producer
from tests.kit import ledger
from tests.kit.command_line import CommandLine
from tests.kit.seat import sit

NOON = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
ASKED = {
    "key": "order-1",
    "content": {"msgtype": "text", "text": {"content": "您好"}},
    "audience": {"openids": ledger.openids(3)},
}
LETTER = Letter(
    source=LetterSource.CELERY,
    body=json.dumps(ASKED),
    key="order-1",
    account=None,
    reason=Message("error.submit.repeated", id="20261127-abcdef", at=NOON),
)


def kept(line: CommandLine, **values: Any) -> str:
    with line.ledger() as engine:
        return dead_letters.store_letter(engine, replace(LETTER, **values))


def test_without_letters_it_says_so_and_status_says_nothing(line: CommandLine) -> None:
    assert line.run("dead", "list").out == "No dead letters.\n"
    assert line.run("dead", "list", "--json").json == {"dead_letters": [], "more": 0, "error": None}
    assert "dead list" not in line.run("status").err


@pytest.mark.parametrize(
    ("language", "reason"),
    [
        ("en", 'broadcast 20261127-abcdef. To send it again, add "again": true. Nothing'),
        (
            "zh",
            '2026-11-27 12:00 提交过（群发 20261127-abcdef）。如确实要再发一次，请加 "again": true',
        ),
    ],
)
def test_a_letter_is_listed_and_shown_with_its_reason_in_the_words_of_programs(
    line: CommandLine, language: str, reason: str
) -> None:
    letter_id = kept(line)

    listed = line.run("dead", "list", BROADCAST_LANG=language)
    shown = line.run("dead", "show", letter_id[-6:], BROADCAST_LANG=language)

    assert reason in " ".join(listed.out.split())
    assert "order-1" in listed.out
    assert reason in " ".join(shown.out.split())
    assert "您好" in json.loads(shown.out[shown.out.index("{") :])["content"]["text"]["content"]
    assert f"broadcast dead retry {letter_id}" in shown.err
    told = line.run("dead", "show", letter_id, "--json", BROADCAST_LANG=language).json
    assert told["body"] == ASKED
    assert (told["reason"]["code"], told["reason"]["field"]) == ("error.submit.repeated", "again")
    assert reason in told["reason"]["text"]


def test_a_letter_whose_cause_is_gone_is_sent_once_under_its_own_key(line: CommandLine) -> None:
    letter_id = kept(line)

    sent = line.run("dead", "retry", letter_id, "--json")

    # Neither WeChat nor a broker is there, which a person hears as from `send`.
    assert "Today's remaining calls are unknown" in sent.err
    assert "broker" in sent.err
    assert (sent.status, sent.json["state"], sent.json["closed_at"] is None) == (0, "sent", False)
    told = line.run("status", sent.json["broadcast_id"], "--json").json
    assert (told["key"], told["audience"]["planned"]) == ("order-1", 3)
    again = line.run("dead", "retry", letter_id)
    assert (again.status, len(again.lines)) == (2, 1)
    assert f"already, as broadcast {told['id']}" in again.err
    assert line.run("dead", "list").out == "No dead letters.\n"
    assert told["id"] in line.run("dead", "list", "--all").out
    # It came before: the same key and body are that broadcast.
    kept(line)
    assert f"already, as broadcast {told['id']}" in line.run("dead", "retry", letter_id).err
    assert line.run("dead", "show", letter_id, "--json").json["broadcast_id"] == told["id"]


UNSIGNED = Message("error.request.notify_unsigned", field="notify", name="SECRETS")


def sent_otherwise(line: CommandLine, **said: Any) -> str:
    """Have the same key come again by another way, where nothing refuses it; return what it is."""
    letter_id = kept(line, body=json.dumps({**ASKED, **said}), source=LetterSource.OUTBOX)
    broadcast_id: str = line.run("dead", "retry", letter_id, "--json").json["broadcast_id"]
    return broadcast_id


@pytest.mark.parametrize("acts", [["list"], ["show", "ID"], ["drop", "ID"], ["drop", "--all"]])
def test_a_letter_whose_message_was_sent_otherwise_waits_no_more(
    line: CommandLine, acts: list[str]
) -> None:
    letter_id = kept(line, reason=UNSIGNED)
    broadcast_id = sent_otherwise(line)

    done = line.run("dead", *[letter_id if word == "ID" else word for word in acts])

    assert "could not be sent" not in line.run("status").err
    told = line.run("dead", "show", letter_id, "--json").json
    assert (told["state"], told["broadcast_id"]) == ("sent", broadcast_id)
    assert "is not sent" not in done.err
    assert "waits for you" not in done.out
    assert ("already, as broadcast" in done.err) is (acts == ["drop", "ID"])


def test_status_counts_no_letter_whose_message_was_sent_otherwise(line: CommandLine) -> None:
    kept(line, reason=UNSIGNED)
    assert "1 message of another program could not be sent" in line.run("status").err
    sent_otherwise(line)
    assert "could not be sent" not in line.run("status").err


def test_a_letter_whose_key_was_used_with_another_body_waits_on(line: CommandLine) -> None:
    letter_id = kept(line, reason=UNSIGNED)
    other = sent_otherwise(line, audience={"openids": ledger.openids(4)})

    (one,) = line.run("dead", "list", "--json").json["dead_letters"]

    assert (one["id"], one["state"], one["reason"]["code"]) == (
        letter_id,
        "dead",
        "error.submit.key_taken",
    )
    assert other in one["reason"]["text"]
    assert line.run("dead", "drop", letter_id, "--json").json["state"] == "dropped"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({**ASKED, "titles": "x"}, "titles is unknown. Did you mean title?"),
        ({**ASKED, "key": " "}, "key is empty."),
        ({**ASKED, "account": "nobody"}, "nobody"),
        ({**ASKED, "at": "2020-01-01 00:00"}, '"at" 2020-01-01 00:00 (Beijing time) is in the'),
        ([[], ASKED, {}], "is not a JSON object"),
        ("no JSON {", "is not a JSON object"),
    ],
)
def test_a_letter_that_is_still_bad_stays_with_its_new_reason(
    line: CommandLine, body: object, why: str
) -> None:
    letter_id = kept(line, body=body if isinstance(body, str) else json.dumps(body))

    done = line.run("dead", "retry", letter_id)

    assert (done.status, len(done.lines)) == (2, 1)
    assert why in done.err
    assert "--" not in done.err
    (one,) = line.run("dead", "list", "--json").json["dead_letters"]
    assert why in one["reason"]["text"]
    assert line.rows() == {"bc_dead_letters": 1}


def test_a_letter_that_nobody_wants_is_dropped(line: CommandLine) -> None:
    letter_id = kept(line)

    dropped = line.run("dead", "drop", letter_id, "--json").json

    assert (dropped["state"], dropped["broadcast_id"]) == ("dropped", None)
    assert dropped["closed_by"].startswith("cli:")
    for word in ("drop", "retry"):
        refused = line.run("dead", word, letter_id)
        assert (refused.status, len(refused.lines)) == (2, 1)
        assert "was dropped" in refused.err
    assert line.rows() == {"bc_dead_letters": 1}


def test_all_letters_that_wait_are_dropped_at_once_but_for_one_that_is_being_retried(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_DROPPED_AT_ONCE", 2)
    first, *rest = [dead_letters.store_letter(here, replace(LETTER, body=str(n))) for n in range(4)]
    assert dead_letters.reserve_letter(here, first)

    assert (run(["dead", "drop"]), run(["dead", "drop", "--all", first])) == (2, 2)
    capsys.readouterr()
    assert run(["dead", "drop", "--all", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"dropped": 3, "left": 1, "error": None}
    (left,) = dead_letters.newest(here, state=LetterState.DEAD, most=9)
    assert left.id == first
    dropped = dead_letters.newest(here, state=LetterState.DROPPED, most=9)
    assert {one.id for one in dropped} == set(rest)
    assert {str(one.closed_by)[:4] for one in dropped} == {"cli:"}


def test_a_letter_that_somebody_else_closes_meanwhile_is_not_left(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = [dead_letters.store_letter(here, replace(LETTER, body=str(n))) for n in range(2)]

    def agreed(*_: object, **__: object) -> None:
        dead_letters.drop(here, first, who="somebody else")

    monkeypatch.setattr(Terminal, "confirm", agreed)

    assert run(["dead", "drop", "--all", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"dropped": 1, "left": 0, "error": None}
    assert "still wait" not in said.err


def test_as_many_letters_are_dropped_as_a_person_was_asked_about(
    here: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now_after_one_more(connection: Connection) -> datetime:
        monkeypatch.setattr(dead_letters, "now", now)
        dead_letters.store_letter(here, LETTER)
        return now(connection)

    dead_letters.store_letter(here, replace(LETTER, body="before"))
    monkeypatch.setattr(dead_letters, "now", now_after_one_more)

    counted, moment = dead_letters.waiting(here)

    assert dead_letters.drop_all(here, who="tests", until=moment) == counted


@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_person_is_asked_before_all_letters_are_dropped(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    dead_letters.store_letter(here, LETTER)
    sit(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))

    status = run(["dead", "drop", "--all"])

    assert "1 dead letter waits. Put aside all of them" in capsys.readouterr().err
    assert status == dead_letters.count(here) == int(answer == "n")


def test_a_letter_that_was_cut_is_not_sent_from_here(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broadcast.rules.dead_letters.MOST_CHARACTERS", 20)
    letter_id = kept(line)

    assert "(beginning)" in line.run("dead", "show", letter_id).out
    assert "is not kept whole" in line.run("dead", "retry", letter_id).err


def test_a_letter_whose_body_is_wrong_is_for_its_program_to_correct(line: CommandLine) -> None:
    reasons = {
        "error.request.missing": {"field": "content"},
        "error.request.notify_unsigned": {"field": "notify", "name": "SECRETS"},
    }
    letters = {
        code: kept(line, body=code, reason=Message(code, **facts))
        for code, facts in reasons.items()
    }
    hints = {code: line.run("dead", "show", one).err for code, one in letters.items()}

    assert "must send it corrected" in hints["error.request.missing"]
    assert "dead retry" not in hints["error.request.missing"]
    assert "dead retry" in hints["error.request.notify_unsigned"]


def test_status_says_that_no_more_letters_are_kept(line: CommandLine) -> None:
    kept(line)
    with line.ledger() as engine, engine.begin() as connection:
        connection.execute(update(DeadLetterRow).values(characters=MOST_OPEN_CHARACTERS))
    many = kept(line, body="another")

    assert "Dead letters are full" in " ".join(line.run("status").err.split())
    assert "Too many dead letters wait" in " ".join(line.run("dead", "show", many).out.split())
    assert "is not kept whole" in line.run("dead", "retry", many).err


def test_what_stands_in_a_letter_does_no_harm_to_a_terminal(line: CommandLine) -> None:
    letter_id = kept(line, body="\x1b[31m red \x9b2J", reason=Message("of.a.later.release"))

    shown = line.run("dead", "show", letter_id)

    assert "another release" in shown.out
    assert shown.out.replace("\n", "").isprintable()
    assert r"\x1b[31m red \x9b2J" in shown.out
    assert line.run("dead", "show", letter_id, "--json").json["body"].startswith("\x1b[31m")


@pytest.mark.parametrize("body", ["[" * 500 + "]" * 500, '"\\ud800"', "NaN", "9" * 5_000])
def test_what_few_could_read_as_json_is_shown_as_text(line: CommandLine, body: str) -> None:
    shown = line.run("dead", "show", kept(line, body=body), "--json")

    assert (shown.status, shown.json["body"]) == (0, body)


def test_letters_that_wait_are_counted_by_status(line: CommandLine) -> None:
    for n in range(3):
        kept(line, body=str(n))

    more = line.run("dead", "list", "--most", "2")
    assert "newest 2 of 3 are shown" in more.out
    assert line.run("dead", "list", "--most", "2", "--json").json["more"] == 1
    assert "--most" not in line.run("dead", "list", "--most", "3").out
    assert more.out.count("dead-") == 2
    assert "3 messages of other programs could not be sent: broadcast dead list" in (
        line.run("status").err
    )
    assert line.run("dead", "show", "dead-").status == 2
    refused = line.run("dead", "drop", "x")
    assert (refused.status, len(refused.lines)) == (2, 1)


def test_what_apps_posted_and_no_worker_takes_is_counted_by_status(line: CommandLine) -> None:
    with line.ledger() as engine:
        for n in range(2):
            with engine.begin() as connection:
                asked: Any = {**ASKED, "key": str(n)}
                Producer().post(connection, **asked)
        assert "waited" not in line.run("status").err
        ledger.pass_time(engine, LONG + timedelta(seconds=1))

    told = line.run("status").err
    assert "2 broadcasts that apps asked for have waited since" in told
    assert "becomes a dead letter ten minutes after a worker first saw it" in told
    assert "其他程序提交的 2 个群发自" in line.run("status", BROADCAST_LANG="zh").err


@pytest.mark.parametrize("page", ["json.md", "json.zh.md"])
def test_every_key_is_in_the_document(line: CommandLine, page: str) -> None:
    letter_id = kept(line)
    root = Path(__file__).parents[2] / "docs"
    row = next(row for row in (root / page).read_text("utf-8").splitlines() if "`dead list`" in row)

    told = line.run("dead", "show", letter_id, "--json").json

    assert {key for key in {*told, *told["reason"]} if f"`{key}`" not in row} == set()


@pytest.mark.parametrize("command", ["drop", "retry"])
def test_a_letter_that_is_being_retried_is_left_to_that_retry(
    line: CommandLine, command: str
) -> None:
    letter_id = kept(line)
    with line.ledger() as engine:
        assert dead_letters.reserve_letter(engine, letter_id)

    done = line.run("dead", command, letter_id)

    assert (done.status, len(done.lines)) == (2, 1)
    assert "is under way" in done.err
    with line.ledger() as engine:
        dead_letters.release_letter(engine, letter_id)
    assert line.run("dead", "retry", letter_id).status == 0


def test_a_retry_that_fails_frees_its_letter(line: CommandLine) -> None:
    letter_id = kept(line, body="{}")
    assert line.run("dead", "retry", letter_id).status == 2

    assert line.run("dead", "drop", letter_id).status == 0
