"""The code of docs/python.md runs as it stands there, in both languages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.states import BroadcastState
from models.every_table import OutboxRow
from models.ledger.views import broadcast_reports
from producer import Producer
from producer.campaigns.library_campaigns import Campaigns

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["python.md", "python.zh.md"]


@pytest.mark.parametrize(
    "page", ["python.md", pytest.param("python.zh.md", marks=pytest.mark.prove)]
)
def test_the_code_of_the_page_runs(here: Engine, tmp_path: Path, page: str) -> None:
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert (len(blocks), done.returncode, done.stderr) == (5, 0, "")
    by_key = {report.key: report for report in broadcast_reports.reports(here)}
    assert set(by_key) == {"python-4711", "python-4713"}
    assert {report.created_by for report in by_key.values()} == {"python shop"}
    assert f"{by_key['python-4711'].id} True" in done.stdout
    assert by_key["python-4713"].state is BroadcastState.CANCELLED
    assert "error.content" in done.stdout
    with here.connect() as connection:
        assert '"python-4712"' in connection.scalars(select(OutboxRow.body)).one()


@pytest.mark.parametrize("page", PAGES)
def test_every_method_is_on_the_page(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    methods = {name for name, one in vars(Producer).items() if name.islower() and callable(one)}
    methods = {name for name in methods if not name.startswith("_")}
    assert {name for name in methods if f"`{name}(" not in text} == set()
    verbs = {name for name in vars(Campaigns) if callable(getattr(Campaigns, name))}
    verbs = {name for name in verbs if not name.startswith("_")}
    assert {name for name in verbs if f"`{name}(" not in text} == set()
