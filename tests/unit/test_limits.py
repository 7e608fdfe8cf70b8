"""The limits of the product's size bite: each is broken in a small tree, and told in one line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tools import limits
from tools.packages import ROOT

ROOMS = (
    "broadcast",
    "broadcast/rules",
    "models/ledger",
    "models/ledger/lane",
    "migrations/versions",
)
LIMITS: dict[str, Any] = {
    "product": {"nodes": 60, "files": 9},
    "ledger": {"files": 2},
    "file": {"lines": 30},
    "functions": {"lines": 12, "p90_lines": 10},
    "names": {"most_features": 2, "features": ["drafts"], "pending": ["failures"]},
    "rooms": {room: {"nodes": 20, "files": 3} for room in ROOMS},
}
KEPT = {
    "broadcast/__init__.py": "",
    "broadcast/drafts.py": "",
    "broadcast/failures.py": "",
    "broadcast/rules/drafts.py": "",
    "models/ledger/__init__.py": "",
    "models/ledger/lane/failures.py": "",
    "migrations/versions/1_first.py": "",
    "simulator/drafts.py": "x = 1\n" * 100,
}


def function(lines: int) -> str:
    """Return a function of so many lines and one statement."""
    return "def f():\n" + "    #\n" * (lines - 2) + "    return\n"


def told(folder: Path, files: dict[str, str], **changed: Any) -> list[str]:
    """Return which limits are broken in the kept tree with these files in it."""
    for name, text in (KEPT | files).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(limits.broken(copy.deepcopy(LIMITS) | changed, limits.measured(folder)))


def test_a_tree_within_its_limits_is_told_nothing(tmp_path: Path) -> None:
    rooms = {"broadcast/rules/a.py": "x = 1\n" * 6, "models/ledger/lane/failures.py": function(10)}

    assert told(tmp_path, rooms) == []


@pytest.mark.parametrize(
    ("files", "start", "advice"),
    [
        (
            {"broadcast/a.py": "x = 1\n" * 7},
            "broadcast: 21 nodes, the limit is 20.",
            "raise it in tools/limits.toml with the feature, and say there why.",
        ),
        (
            {f"broadcast/rules/{name}.py": "" for name in ("a", "b", "deep/c")},
            "broadcast/rules: 4 files, the limit is 3.",
            "raise it in tools/limits.toml",
        ),
        (
            {"models/ledger/lane/a.py": ""},
            "ledger: 3 files, the limit is 2.",
            "Take code out, or raise it in",
        ),
        ({"worker/a.py": ""}, "worker: a room without limits.", "Add them to [rooms]"),
        (
            {"broadcast/a.py": "", "broadcast/rules/a.py": ""},
            "a.py: 2 modules, the limit is 1.",
            "Rename one of broadcast/a.py, broadcast/rules/a.py.",
        ),
        (
            {"broadcast/a.py": "#\n" * 31},
            "broadcast/a.py: 31 lines, the limit of a file is 30.",
            "Split it.",
        ),
        (
            {"broadcast/a.py": "\n" + function(13) + "def g(): 1\n" * 9},
            "broadcast/a.py:2: f has 13 lines, the limit of a function is 12.",
            "Split it.",
        ),
        (
            {"broadcast/a.py": function(11)},
            "functions: one in ten has 11 lines or more, the limit is 10.",
            "Split long ones.",
        ),
    ],
)  # fmt: skip
def test_each_broken_limit_is_told_with_its_place_its_figures_and_what_to_do(
    tmp_path: Path, files: dict[str, str], start: str, advice: str
) -> None:
    (line, *_) = lines = [one for one in told(tmp_path, files) if one.startswith(start)]

    assert len(lines) == 1
    assert advice in line


def test_the_whole_product_has_limits_of_its_own(tmp_path: Path) -> None:
    files = {f"{room}/new_{n}.py": "x = 1\n" * 5 for n, room in enumerate(ROOMS)}

    found = told(tmp_path, files)

    assert found[0].startswith("product: 75 nodes, the limit is 60. Take code out,")
    assert found[1].startswith("product: 12 files, the limit is 9. Take code out,")


def test_a_revision_may_be_long_and_has_long_functions(tmp_path: Path) -> None:
    rooms = LIMITS["rooms"] | {"migrations/versions": {"nodes": 40, "files": 1}}
    revision = "#\n" * 30 + function(13) + "def g(): 1\n" * 10

    assert told(tmp_path, {"migrations/versions/1_first.py": revision}, rooms=rooms) == []


def test_what_is_listed_and_gone_is_taken_out(tmp_path: Path) -> None:
    names = {"most_features": 1, "features": ["drafts", "tags"], "pending": ["failures", "places"]}

    found = told(
        tmp_path, {}, names=names, rooms=LIMITS["rooms"] | {"worker": {"nodes": 1, "files": 1}}
    )

    assert found == [
        "worker: limits of no room. Take them out of [rooms] of tools/limits.toml.",
        "features of tools/limits.toml: 2 names, the limit is 1. Rename modules.",
        "places: no name of two modules any more. Take it out of `pending` in tools/limits.toml.",
    ]


def test_nodes_are_what_is_done_and_not_how_it_is_written_down(tmp_path: Path) -> None:
    short = "import a\n\nx = f(1)\n"
    long = (
        '"""A module."""\nfrom __future__ import annotations\nimport a\n\nx: int = f(\n    1,\n)\n'
    )

    (plain, typed) = (written(tmp_path, text) for text in (short, long))

    # The assignment, its target, the call, its function and its argument.
    assert plain == typed == 5


def written(folder: Path, text: str) -> int:
    """Return the nodes of a module."""
    (folder / "broadcast").mkdir(exist_ok=True)
    (folder / "broadcast" / "a.py").write_text(text, encoding="utf-8")
    return sum(module.nodes for module in limits.measured(folder))


def test_the_limits_of_this_tree_name_the_rooms_that_there_are() -> None:
    rooms = {limits.room(module.path) for module in limits.measured(ROOT)}

    assert {*limits.read()["rooms"]} == rooms
