from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from entrypoints.cli import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_version_is_that_of_the_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lang: str
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", lang)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert main.run(["--version"]) == 0

    shown = capsys.readouterr()
    assert shown.out.split()[0] == "broadcast"
    assert shown.out.split()[-1] == wanted["version"]
    assert shown.err == ""
