"""A client that nobody here wrote, generated from the OpenAPI document, drives the API."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.compat.clients import DRIVERS, sender
from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.wait import patiently


def test_a_generated_client_submits_uploads_looks_pages_follows_and_stops(tmp_path: Path) -> None:
    python = sender("generator")
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    with api.started(tmp_path, api.settings(url)) as process:
        program = Program(url=api.url_of(process), key=None)
        (tmp_path / "openapi.json").write_bytes(program.get("/openapi.json").content)
        generated = _run(
            str(Path(python).parent / "openapi-python-client"), "generate",
            "--path", str(tmp_path / "openapi.json"), "--output-path", str(tmp_path / "client"),
            folder=tmp_path, python=python,
        )  # fmt: skip
        assert "Endpoint will not be generated" not in generated
        said = _run(
            python, str(DRIVERS / "generated_client.py"), str(tmp_path / "client"), program.url,
            api.KEY, folder=tmp_path, python=python,
        )  # fmt: skip

    assert json.loads(said.splitlines()[-1]) == {
        "submits": [201, 200, 409],
        "refusal": "/docs/errors#error.submit.key_taken", "field": "Idempotency-Key",
        "uploads": [201, 200, 409], "uploaded": "planning",
        "paused": [True, "paused"], "cancelled": "cancelled", "looked": "cancelled",
        "followed": ["event: broadcast"], "rows": 2, "unknown": [404, True], "pages": True,
        "accounts": ["default"],
    }  # fmt: skip


def _run(*command: str, folder: Path, python: str) -> str:
    # The generator formats what it wrote with the ruff beside it.
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=patiently(120), check=False,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout
