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

from api import errors
from broadcast.dead_letters import Letter, LetterSource
from broadcast.message import Message
from broadcast.stored_message import UNREADABLE
from broadcast.webhooks.event import WebhookState
from models import WebhookRow
from models.ledger import dead_letters
from presentation.texts import Texts
from tests.integration.api.conftest import Served
from tests.kit import api, documented, template
from tests.kit.api import Program
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
        assert bool(body) is (method in {"post", "put"}), where
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
                    assert errors.statuses()[name] == int(status), where
                    # So it says where a fact is missing.
                    assert content["example"]["detail"] != unreadable, where
                    kinds.add(name)
    assert len(kinds) > 20


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
    code = "import sys; from cli.main import run; run(['help', 'api']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=patiently(60),
        check=True,
    )  # fmt: skip

    loaded = done.stdout.splitlines()[-1].split()
    assert "cli.commands.api" in loaded
    assert {"fastapi", "starlette", "uvicorn"}.isdisjoint(loaded)


def test_each_example_of_a_submit_is_one_that_is_taken(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    with api.started(tmp_path, api.settings(url)) as process:
        program = Program(url=api.url_of(process))
        paths = program.get("/openapi.json").json()["paths"]
        body = paths["/v1/broadcasts"]["post"]["requestBody"]["content"]["application/json"]
        told = {
            name: program.ask(
                "POST", "/v1/broadcasts", example["value"] | {"again": True},
                headers={"Idempotency-Key": name},
            )
            for name, example in body["examples"].items()
        }  # fmt: skip

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
                sys.executable, "-m", "schemathesis.cli", "--config-file",
                str(FUZZ / "schemathesis.toml"), "run", f"{program.url}/openapi.json",
                "--header", f"Authorization: Bearer {program.key}", "--no-color", *words,
            ],
            capture_output=True, text=True, timeout=patiently(900), check=False, cwd=folder,
            env={
                **os.environ, "SCHEMATHESIS_HOOKS": "tests.integration.api.fuzz.hooks",
                "FUZZ_IDS": json.dumps(there), "PYTHONPATH": str(ROOT),
            },
        )  # fmt: skip
        assert program.get("/healthz").status_code == 200
    engine.dispose()

    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
    assert " 500 " not in json.dumps(process.output)


def _letter(engine: Engine) -> str:
    body = {"key": "dead", "content": api.TEXT, "audience": {"openids": []}}
    reason = Message("error.request.missing", field="audience")
    letter = Letter(source=LetterSource.CELERY, body=json.dumps(body), key="dead", reason=reason)
    return dead_letters.keep(engine, letter)


def _webhook(engine: Engine, program: Program) -> str:
    made = program.submit(api.people(2, seed="fuzz"), key="webhook").json()["id"]
    at = datetime.now(UTC)
    with engine.begin() as connection:
        connection.execute(
            insert(WebhookRow).values(
                broadcast_id=made, version=7, account="default", kind="broadcast.completed",
                body="{}", url="https://hooks.example.com/", origin="https://hooks.example.com",
                state=WebhookState.GIVEN_UP, tries=3, created_at=at, tried_at=at, since=at,
                closed_at=at,
            )
        )  # fmt: skip
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
