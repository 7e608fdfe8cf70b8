"""The OpenAPI document: what it says is so, whatever the requests that it allows."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi import definitions
from sqlalchemy import Engine, insert

from broadcast.message import Message
from broadcast.rules.dead_letters import Letter, LetterSource
from broadcast.rules.states import WebhookState
from broadcast.stored_message import UNREADABLE
from broadcast.views.texts import Texts
from entrypoints.http import problems
from models.every_table import WebhookRow
from models.ledger.boxes import dead_letters
from tests.integration.http.conftest import Served
from tests.integration.models.stories import lost_then
from tests.kit import api, documented, ledger, template
from tests.kit.api import Program
from tests.kit.ledger import Driver, said
from tests.kit.processes import ROOT
from tests.kit.wait import patiently

FUZZ = Path(__file__).parent / "fuzz"


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    """The document, which needs no key."""
    told: dict[str, Any] = served.program(None).get("/openapi.json").json()
    return told


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    definitions.OPENAPI_31_VALIDATOR.validate(document)


def test_every_request_answer_and_refusal_has_an_example_that_fits(
    document: dict[str, Any],
) -> None:
    kinds, unreadable = set(), Texts("en")(UNREADABLE)
    for path, method, operation in _operations(document):
        where = f"{method} {path}"
        assert bool(operation.get("security")) is (path not in {"/healthz", "/readyz"}), where
        body = operation.get("requestBody", {}).get("content", {})
        assert bool(body) is (method in {"post", "put", "patch"}), where
        for content in body.values():
            shown = [one["value"] for one in content.get("examples", {}).values()]
            for example in shown or [content["example"]]:
                documented.fits(content["schema"], example)
        for status, answer in operation["responses"].items():
            assert answer.get("content") or status == "204", where
            for kind, content in answer.get("content", {}).items():
                documented.fits(content["schema"], content["example"])
                if int(status) >= 400 and path != "/readyz":
                    assert kind == "application/problem+json", where
                    name = content["example"]["type"].partition("#")[2]
                    assert problems.STATUSES[name] == int(status), where
                    # So it says where a fact is missing.
                    assert content["example"]["detail"] != unreadable, where
                    kinds.add(name)
    assert len(kinds) > 20


#: After each word: members of the broadcast, the account or the dead letter.
AFTER: dict[str, dict[str, Any]] = {
    "pause": {"state": "paused"},
    "resume": {"state": "sending"},
    "cancel": {"state": "cancelled"},
    "retry": {"state": "sending"},
    "resolve": {"state": "completed"},
    "halt": {"stopped": None},
    "unhalt": {"halted": None},
    "drop_dead_letter": {"state": "dropped", "broadcast_id": None},
    "retry_dead_letter": {"state": "sent"},
    "retry_webhook": {"state": "waiting", "tries": 0},
}


def test_the_example_of_each_word_shows_how_it_stands_after_it(document: dict[str, Any]) -> None:
    shown = {
        operation["operationId"]: operation
        for _, _, operation in _operations(document)
        if operation["operationId"] in AFTER
    }
    assert shown.keys() == AFTER.keys()
    for word, after in AFTER.items():
        request, answer = _asked(shown[word]), _answered(shown[word])
        assert answer == answer | after, word
        if "operator_actions" in answer:
            done = answer["operator_actions"][-1]
            assert done == done | request | {"action": word}
            assert {one["why"] for one in answer["blockers"]} <= {request["why"]}
        elif answer.get("halted"):
            assert answer["halted"]["why"] == request["why"]


def _asked(operation: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = operation["requestBody"]["content"]["application/json"]
    value: dict[str, Any] = next(iter(content["examples"].values()))["value"]
    return value


def _answered(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"]["200"]["content"]["application/json"]["example"]
    return found


def test_each_word_is_answered_as_its_example_shows(
    alone: tuple[Program, Engine], document: dict[str, Any]
) -> None:
    program, engine = alone
    by_name = {
        operation["operationId"]: (path, operation) for path, _, operation in _operations(document)
    }

    def say(word: str, **parameters: str) -> None:
        path, operation = by_name[word]
        told = program.ask("POST", path.format(**parameters), _asked(operation))
        assert told.status_code == 200, told.text
        assert _outline(told.json()) == _outline(_answered(operation)), word

    made = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=3_147_483_655))
    for word in ("pause", "resume", "cancel"):
        say(word, broadcast_id=made)
    made = ledger.broadcast(engine)
    driver.call(said(0, msg_id=3_147_483_657))
    driver.call(said(48008))
    say("retry", broadcast_id=made)
    program.ask("POST", f"/v1/broadcasts/{made}/cancel")
    made = ledger.broadcast(engine)
    driver.call(said(0, msg_id=3_147_483_658))
    lost_then(driver, said(40008))
    say("resolve", broadcast_id=made)
    for word in ("halt", "unhalt"):
        say(word, name="default")
    audit, example = program.get(f"/v1/broadcasts/{made}/audit").json(), by_name["audit"][1]
    assert audit["checks"] == _answered(example)["checks"]
    for word in ("drop_dead_letter", "retry_dead_letter"):
        reason = _answered(by_name[word][1])["reason"]
        say(word, letter_id=_letter_for(engine, word, REASONS[reason["code"]]))


REASONS = {
    reason.id: reason
    for reason in (
        Message("error.request.missing", field="content"),
        Message("error.settings.unknown_account", account="club", names="default"),
    )
}


def _letter_for(engine: Engine, key: str, reason: Message) -> str:
    body = {"key": key, "content": api.TEXT, "audience": {"openids": api.people(2, seed=key)}}
    letter = Letter(source=LetterSource.CELERY, body=json.dumps(body), key=key, reason=reason)
    return dead_letters.store_letter(engine, letter)


def _outline(told: dict[str, Any]) -> Any:
    """Return what an example shows, but for its names, moments and counts of followers."""
    apart = {
        "id",
        "key",
        "title",
        "content",
        "created_by",
        "audience",
        "account",
        "name",
        "first_at",
        "body",
    }
    return {name: _shape(value, name) for name, value in told.items() if name not in apart}


#: Different in each story.
NAMED = {
    "at",
    "since",
    "created_at",
    "started_at",
    "finished_at",
    "closed_at",
    "last_at",
    "by",
    "who",
    "closed_by",
    "command",
    "msg_id",
    "broadcast_id",
}
#: Of followers in `recipients`, of batches in `batches`.
SETS = {"accepted", "refused", "cancelled", "in_doubt", "waiting"}


def _shape(value: Any, name: str) -> Any:
    match value:
        case dict():
            return {key: _shape(one, key) for key, one in value.items()}
        case list():
            return [_shape(one, name) for one in value]
        case _ if name in NAMED:
            return value is None
        case int() if name in {"size", *SETS}:
            return value > 0
    return value


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_page_for_people_has_every_address_and_asks_no_other_host(
    served: Served, document: dict[str, Any]
) -> None:
    told = served.program(None).get("/docs")

    assert told.headers["Content-Type"].startswith("text/html")
    assert all(html.escape(path) in told.text for path in document["paths"])
    assert "<script" not in told.text
    assert "://" not in told.text


def test_no_other_command_pays_for_the_framework() -> None:
    code = (
        "import sys; from entrypoints.cli.main import run;run(['help', 'api']); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=patiently(60),
        check=True,
    )

    loaded = done.stdout.splitlines()[-1].split()
    assert "entrypoints.cli.commands.api" in loaded
    assert {"fastapi", "starlette", "uvicorn"}.isdisjoint(loaded)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Engine]]:
    """A program of an API with a database of its own, and that database."""
    folder = tmp_path_factory.mktemp("alone")
    url = f"sqlite:///{folder / 'broadcast.db'}"
    engine = template.migrated(url)
    # The account that the ledger of the tests knows.
    env = api.settings(url) | {"WECHAT_APPID": ledger.account().appid}
    with api.started(folder, env) as process:
        yield Program(url=api.url_of(process)), engine
    engine.dispose()


def test_each_example_of_a_submit_is_one_that_is_taken(
    alone: tuple[Program, Engine], document: dict[str, Any]
) -> None:
    body = document["paths"]["/v1/broadcasts"]["post"]["requestBody"]["content"]["application/json"]
    told = {
        name: alone[0].ask(
            "POST",
            "/v1/broadcasts",
            example["value"] | {"again": True},
            headers={"Idempotency-Key": name},
        )
        for name, example in body["examples"].items()
    }

    # The list of followers was never synced here.
    assert told.pop("followers").json()["type"].endswith("never_synced")
    assert {name: one.status_code for name, one in told.items()} == dict.fromkeys(told, 201)


def _fuzzed(url: str, folder: Path, *words: str) -> None:
    engine = template.migrated(url)
    with api.started(folder, api.settings(url)) as process:
        program = Program(url=api.url_of(process))
        there = {"letter_id": _letter(engine), "webhook_id": _webhook(engine, program)}
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                str(FUZZ / "schemathesis.toml"),
                "run",
                f"{program.url}/openapi.json",
                "--header",
                f"Authorization: Bearer {program.key}",
                "--no-color",
                *words,
            ],
            capture_output=True,
            text=True,
            timeout=patiently(900),
            check=False,
            cwd=folder,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.integration.http.fuzz.hooks",
                "FUZZ_IDS": json.dumps(there),
                "PYTHONPATH": str(ROOT),
            },
        )
        assert program.get("/healthz").status_code == 200
    engine.dispose()

    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert " 500 " not in json.dumps(process.output)


def _letter(engine: Engine) -> str:
    body = {"key": "dead", "content": api.TEXT, "audience": {"openids": []}}
    reason = Message("error.request.missing", field="audience")
    letter = Letter(source=LetterSource.CELERY, body=json.dumps(body), key="dead", reason=reason)
    return dead_letters.store_letter(engine, letter)


def _webhook(engine: Engine, program: Program) -> str:
    made = program.submit(api.people(2, seed="fuzz"), key="webhook").json()["id"]
    at = datetime.now(UTC)
    with engine.begin() as connection:
        connection.execute(
            insert(WebhookRow).values(
                broadcast_id=made,
                version=7,
                account="default",
                kind="broadcast.completed",
                body="{}",
                url="https://hooks.example.com/",
                origin="https://hooks.example.com",
                state=WebhookState.GIVEN_UP,
                tries=3,
                created_at=at,
                tried_at=at,
                since=at,
                closed_at=at,
            )
        )
    return f"{made}-7"


def test_whatever_the_document_allows_is_answered_as_it_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    _fuzzed(url, tmp_path, "--max-examples", "3", "--seed", "1")


@pytest.mark.prove
@pytest.mark.every_database
def test_whatever_the_document_allows_is_answered_as_it_says_at_length(
    database_url: str, tmp_path: Path
) -> None:
    _fuzzed(database_url, tmp_path, "--max-examples", "200")
