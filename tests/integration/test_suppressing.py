"""``broadcast suppress``: what is stored, what is refused, and what comes out again."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from sqlalchemy import select

from models.batch_tables import GateRow
from models.suppressions import Suppression
from tests.kit import ledger
from tests.kit.command_line import CommandLine

PEOPLE = ledger.openids(40)
ANNA, BEN, CARL = PEOPLE[:3]


def told(line: CommandLine, *words: str, status: int = 0) -> dict[str, Any]:
    done = line.run("suppress", *words, "--json")
    assert done.status == status, done.err
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found


def listed(line: CommandLine, *words: str) -> list[str]:
    return line.run("suppress", "list", *words).out.split()


def test_people_are_put_on_the_list_and_taken_off_it(line: CommandLine) -> None:
    added = told(line, "add", ANNA, BEN, BEN, "--why", "投诉")
    again = told(line, "add", BEN, CARL)

    assert (added["added"], added["already"], added["account"]) == (2, 0, "default")
    assert (again["added"], again["already"]) == (1, 1)
    assert listed(line) == [ANNA, BEN, CARL]
    removed = told(line, "remove", ANNA, PEOPLE[9])
    assert (removed["removed"], removed["absent"]) == (1, 1)
    assert listed(line) == [BEN, CARL]


def test_a_secret_that_was_pasted_into_a_reason_is_not_kept(line: CommandLine) -> None:
    # No other test has one like it, so that this process does not know it yet.
    secret = line.env["WECHAT_APPSECRET"] = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"

    told(line, "add", ANNA, "--why", f"it was {secret}")
    for word in ("halt", "unhalt"):
        assert line.run(word, "--account", "default", "--why", f"it was {secret}").status == 0

    with line.ledger() as engine, engine.connect() as connection:
        gates = connection.execute(select(GateRow.why, GateRow.opened_why)).one()
        kept = connection.scalars(select(Suppression.why)).all()
    assert (*gates, *kept) == ("it was ***",) * 3


def test_a_wrong_file_keeps_nobody_from_the_kill_switch_with_a_reason(line: CommandLine) -> None:
    assert line.run("halt", "--account", "default").status == 0
    wrong = str(line.folder / "none.toml")

    done = line.run(
        "unhalt", "--account", "default", "--why", "mended", BROADCAST_ACCOUNTS_FILE=wrong
    )

    assert (done.status, "default" in done.out) == (0, True)


def test_who_is_suppressed_for_all_accounts_is_taken_off_for_all_alone(line: CommandLine) -> None:
    assert told(line, "add", ANNA, "--all")["account"] is None

    done = line.run("suppress", "remove", ANNA)

    assert "--all" in done.err
    assert listed(line) == [ANNA]
    assert told(line, "remove", ANNA, "--all")["removed"] == 1
    assert listed(line, "--all") == []


def test_a_file_is_imported_and_comes_out_as_csv_and_json(line: CommandLine) -> None:
    file = line.folder / "out.csv"
    file.write_text("openid,name\n" + "".join(f"{one},x\n" for one in [*PEOPLE, ANNA]), "utf-8")

    done = told(line, "import", str(file), "--why", "old system")

    assert (done["added"], done["already"]) == (40, 0)
    written = line.run("suppress", "list", "--csv").out.lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["openid"] for row in rows] == PEOPLE
    assert {(row["kind"], row["why"]) for row in rows} == {("import", "old system")}
    found = told(line, "list")["suppressed"]
    assert [one["openid"] for one in found] == PEOPLE


def test_a_single_person_is_a_list_too(line: CommandLine) -> None:
    file = line.folder / "one.txt"
    file.write_text(f"{ANNA}\n", "utf-8")

    assert told(line, "import", str(file))["added"] == 1


def test_who_is_on_the_list_already_for_another_reason_is_not_added_again(
    line: CommandLine,
) -> None:
    told(line, "add", ANNA, BEN)
    (line.folder / "three.txt").write_text(f"{ANNA}\n{BEN}\n{CARL}\n", "utf-8")

    done = told(line, "import", "three.txt")

    assert (done["added"], done["already"]) == (1, 2)
    gone = told(line, "remove", "--file", "three.txt")
    assert (gone["removed"], gone["own"], gone["absent"]) == (3, 0, 0)
    assert listed(line) == []


def test_bad_input_is_named_and_nothing_is_stored(line: CommandLine) -> None:
    (line.folder / "bad.txt").write_text(f"{ANNA}\noTooShort\n{BEN}\n", "utf-8")

    for words, named in (
        (("add", "oTooShort"), "oTooShort"),
        (("add", ANNA, "--all", "--account", "default"), "--all"),
        (("remove", "中" * 28), "中"),
        (("import", "bad.txt"), "line 2: “oTooShort”"),
        (("import", "none.txt"), "none.txt"),
        (("remove", "--file", "bad.txt"), "line 2: “oTooShort”"),
        (("remove",), "--file FILE"),
        (("remove", ANNA, "--file", "bad.txt"), "not both"),
        (("add", ANNA, "--account", "nobody"), "nobody"),
    ):
        done = line.run("suppress", *words)

        assert done.status == 2, words
        assert named in done.err
        assert len(done.err.strip().splitlines()) == 1
    assert listed(line) == []
