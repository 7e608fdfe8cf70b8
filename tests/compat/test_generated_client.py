"""Clients that nobody here wrote, generated from the OpenAPI document, drive the API."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.clients import DRIVERS, node, sender
from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.wait import patiently

#: As people compile what was generated for Node.
COMPILER = (
    "--target",
    "es2022",
    "--lib",
    "es2022,dom,dom.iterable",
    "--module",
    "commonjs",
    "--moduleResolution",
    "node10",
    "--strict",
    "--skipLibCheck",
)


def in_python(folder: Path) -> list[str]:
    """Generate the client; return what starts a program with it."""
    python = sender("generator")
    generated = _run(
        str(Path(python).parent / "openapi-python-client"),
        "generate",
        "--path",
        str(folder / "openapi.json"),
        "--output-path",
        str(folder / "client"),
        folder=folder,
        beside=python,
    )
    assert "Endpoint will not be generated" not in generated
    return [python, str(DRIVERS / "generated_client.py"), str(folder / "client")]


def in_typescript(folder: Path) -> list[str]:
    """Generate the client and compile it with all its types; return the same."""
    program, modules = node()
    tools = Path(modules) / ".bin"
    _run(
        str(tools / "openapi-ts"),
        "--input",
        str(folder / "openapi.json"),
        "--output",
        str(folder / "client"),
        folder=folder,
        beside=program,
    )
    _run(
        str(tools / "tsc"),
        *COMPILER,
        "--outDir",
        str(folder / "made"),
        str(folder / "client" / "index.ts"),
        str(folder / "client" / "client.gen.ts"),
        folder=folder,
        beside=program,
    )
    return [program, str(DRIVERS / "generated_client.js"), str(folder / "made")]


@pytest.mark.parametrize("client", [in_python, in_typescript])
def test_a_generated_client_submits_uploads_looks_pages_follows_and_stops(
    client: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    with api.started(tmp_path, api.settings(url)) as process:
        program = Program(url=api.url_of(process), key=None)
        (tmp_path / "openapi.json").write_bytes(program.get("/openapi.json").content)
        start = client(tmp_path)
        said = _run(*start, program.url, api.KEY, folder=tmp_path, beside=start[0])

    assert json.loads(said.splitlines()[-1]) == {
        "submits": [201, 200, 409],
        "refusal": "/docs/errors#error.submit.key_taken",
        "field": "Idempotency-Key",
        "uploads": [201, 200, 409],
        "uploaded": "planning",
        "paused": [True, "paused"],
        "cancelled": "cancelled",
        "looked": "cancelled",
        "followed": ["event: broadcast"],
        "rows": 2,
        "unknown": [404, True],
        "pages": True,
        "campaigns": ["enabled", 2, ["weekly"], "removed"],
        "accounts": ["default"],
    }


def _run(*command: str, folder: Path, beside: str) -> str:
    # A generator formats what it wrote with the tool beside it.
    path = f"{Path(beside).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=patiently(120),
        check=False,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout
