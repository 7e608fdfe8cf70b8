"""What docs/api.md says to type and to run is answered as the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.processes import ROOT
from tests.servers.proofs import not_proved

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGE_URL, PAGE_ID = "http://127.0.0.1:8780", "20261127-k3x9qa"


@pytest.mark.parametrize("name", ["api.md", pytest.param("api.zh.md", marks=pytest.mark.prove)])
def test_every_command_of_the_page_works(tmp_path: Path, name: str) -> None:
    if shutil.which("curl") is None:
        not_proved("the commands of docs/api.md", "curl is missing")
    blocks = BLOCK.findall((ROOT / "docs" / name).read_text("utf-8"))
    submit, look, upload, follow = (code for _, code in blocks if code.startswith("curl"))
    python = next(code for kind, code in blocks if kind == "python")
    (tmp_path / "openids.txt").write_text("\n".join(api.people(3, seed="page")), "utf-8")
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    with api.started(tmp_path, api.settings(url)) as process:
        program = Program(url=api.url_of(process))
        awaited = program.ask(
            "POST",
            "/v1/broadcasts",
            {"content": api.TEXT, "audience": {"upload": True}},
            headers={"Idempotency-Key": "later"},
        ).json()["id"]

        def run(code: str, *command: str, broadcast_id: str = "") -> str:
            here = code.replace(PAGE_URL, program.url).replace(PAGE_ID, broadcast_id)
            return subprocess.run(
                [*command, here],
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
                cwd=tmp_path,
                env={**os.environ, "KEY": api.KEY},
            ).stdout

        made = json.loads(run(submit, "sh", "-ec"))
        other = run(python, sys.executable, "-c").split()
        looked = json.loads(run(look, "sh", "-ec", broadcast_id=made["id"]))
        told = run(f"{follow.strip()} --max-time 3 || true", "sh", "-ec", broadcast_id=made["id"])
        stored = json.loads(run(upload, "sh", "-ec", broadcast_id=awaited))

    assert other[0] != made["id"]
    assert other[1] == "planning"
    assert (looked["id"], looked["key"]) == (made["id"], "order-4711")
    assert f'"id":"{made["id"]}"' in told.replace(" ", "")
    assert (stored["id"], stored["audience"]["planned"]) == (awaited, 3)
