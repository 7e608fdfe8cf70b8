"""docs/simulator.md names everything that the simulator offers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from simulator.admin import ROUTES
from simulator.core.faults import Kind
from simulator.core.switches import Switches
from simulator.endpoints import every_endpoint

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["md", "zh.md"]


def manual(suffix: str) -> str:
    return (ROOT / "docs" / f"simulator.{suffix}").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_endpoint_is_named(suffix: str) -> None:
    text = manual(suffix)
    paths = [endpoint.path.removeprefix("/cgi-bin/") for endpoint in every_endpoint()]

    assert [path for path in paths if f"`{path}`" not in text] == []


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_request_of_the_admin_api_is_named(suffix: str) -> None:
    text = manual(suffix)
    paths = {path.replace(":int", "") for _, path, _ in ROUTES}

    assert [path for path in sorted(paths) if f" /admin/{path}" not in text] == []


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_fault_is_named(suffix: str) -> None:
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in manual(suffix)] == []


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_switch_has_a_row_with_its_default_and_its_other_values(suffix: str) -> None:
    rows = [line for line in manual(suffix).splitlines() if line.startswith("| `")]

    for name, field in Switches.model_fields.items():
        beginning = f"| `{name}` | `{shown(field.default)}`"
        assert [row for row in rows if row.startswith(beginning)], f"no row {beginning}"
        (row,) = (row for row in rows if row.startswith(beginning))
        others = [one for one in get_args(field.annotation) if isinstance(one, (str, int))]
        assert [one for one in others if f"`{shown(one)}`" not in row] == [], name


def shown(value: Any) -> str:
    """As `--switch` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("suffix", LANGUAGES)
def test_every_scenario_is_named(suffix: str) -> None:
    files = sorted((ROOT / "examples" / "scenarios").glob("*.toml"))

    assert files
    assert [file.name for file in files if f"`{file.name}`" not in manual(suffix)] == []
