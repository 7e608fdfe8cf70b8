"""A list that may be another account's goes out at no door before a person confirms it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine

from broadcast.message import Message
from broadcast.rules.dead_letters import Letter, LetterSource
from models.ledger.boxes import dead_letters
from producer import ConfirmationRequiredError, Producer
from tests.integration.producer.conftest import QuotaStub
from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.command_line import CommandLine
from tests.kit.follows import listed

FOLLOWERS = api.people(400, seed="whose-own")
STRANGERS = api.people(400, seed="whose-other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Every door to one ledger, whose account has synced its followers."""

    program: Program
    line: CommandLine
    engine: Engine


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("owners")
    line = CommandLine(folder)
    line.database.parent.mkdir()
    engine = template.migrated(line.env["DATABASE_URL"])
    env: dict[str, str | None] = {**line.env, "BROADCAST_API_KEYS": api.KEY}
    with api.started(folder, env) as process:
        program = Program(url=api.url_of(process))
        # What makes an account known to the ledger is a broadcast.
        assert program.submit(FOLLOWERS[:2], key="first").status_code == 201
        listed(engine, "default", sorted(FOLLOWERS))
        yield Doors(program=program, line=line, engine=engine)
    engine.dispose()


def test_a_request_is_refused_until_it_confirms_these_very_people(doors: Doors) -> None:
    program = doors.program
    refused = program.submit(STRANGERS, key="http")
    other = program.submit(STRANGERS[1:], key="http", confirm=[refused.json()["id"]])
    made = program.submit(STRANGERS, key="http", confirm=["other", refused.json()["id"]])
    again = program.submit(STRANGERS, key="http")

    assert (refused.status_code, refused.json()["field"]) == (409, "confirm")
    assert refused.json()["type"] == "/docs/errors#error.confirm.list_owner"
    assert "default" in refused.json()["detail"]
    assert (other.status_code, other.json()["id"] != refused.json()["id"]) == (409, True)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["id"] == again.json()["id"]
    assert "another account" in str(made.json()["notices"])


def test_a_plan_shows_it_and_a_list_of_its_own_followers_needs_nothing(doors: Doors) -> None:
    body = {"content": _text("plan"), "audience": {"openids": STRANGERS}}
    planned = doors.program.ask("POST", "/v1/plans", body)
    own = doors.program.submit(FOLLOWERS, key="own", content=_text("own"))

    assert planned.status_code == 200
    assert "another account" in str(planned.json()["notices"])
    assert (own.status_code, own.json()["notices"]) == (201, own.json()["notices"])
    assert "another account" not in str(own.json()["notices"])


def test_an_uploaded_list_is_refused_until_it_is_confirmed(doors: Doors) -> None:
    program = doors.program
    body = {"content": _text("upload"), "audience": {"upload": True}}
    begun = program.ask("POST", "/v1/broadcasts", body, headers={"Idempotency-Key": "upload"})
    path = f"/v1/broadcasts/{begun.json()['id']}/audience"

    refused = _put(program, path)
    made = _put(program, f"{path}?confirm={refused.json()['id']}")

    assert (refused.status_code, refused.json()["field"]) == (409, "confirm")
    assert "?confirm=" in refused.json()["fix"]
    assert made.status_code == 201


def test_a_dead_letter_is_sent_with_the_id_that_its_refusal_named(doors: Doors) -> None:
    by_http, by_command = (_letter(doors.engine, key) for key in ("letter-1", "letter-2"))
    path = f"/v1/dead-letters/{by_http}/retry"

    still = doors.program.ask("POST", path)
    reason = dead_letters.letter_named(doors.engine, by_http)[0].reason
    sent = doors.program.ask("POST", f"{path}?confirm={reason.facts['id']}")
    refused = doors.line.run("dead", "retry", by_command)
    shown = dead_letters.letter_named(doors.engine, by_command)[0].reason
    done = doors.line.run("dead", "retry", by_command, "--confirm", str(shown.facts["id"]))

    assert (still.status_code, sent.status_code) == (409, 200)
    assert (refused.status, done.status) == (2, 0)
    assert str(shown.facts["id"]) in refused.err


def test_python_raises_with_the_id_that_confirms_it(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in doors.line.env.items():
        monkeypatch.setenv(name, value)
    with Producer("shop", quota=QuotaStub()) as shop:
        with pytest.raises(ConfirmationRequiredError) as refused:
            shop.submit(key="python", content=_text("py"), audience={"openids": STRANGERS})
        made = shop.submit(
            key="python",
            content=_text("py"),
            audience={"openids": STRANGERS},
            confirm=[str(refused.value.facts["id"])],
        )

    assert made.created


def _text(words: str) -> dict[str, object]:
    return {"msgtype": "text", "text": {"content": words}}


def _put(program: Program, path: str) -> requests.Response:
    data = "\n".join(STRANGERS).encode()
    return program.ask("PUT", path, data=data, headers={"Content-Type": "text/plain"})


def _letter(engine: Engine, key: str) -> str:
    body = {"key": key, "content": _text(key), "audience": {"openids": STRANGERS}}
    reason = Message("error.request.missing", field="content")
    letter = Letter(
        source=LetterSource.CELERY, body=json.dumps(body), key=key, account=None, reason=reason
    )
    return dead_letters.store_letter(engine, letter)
