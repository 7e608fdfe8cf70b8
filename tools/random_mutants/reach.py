"""Reach: which tests run a line, measured once for a tree and kept in `.venv`.

Only what a test runs in its own process is seen, not what the processes run that it starts. A line
that is run while its module is imported (a statement of SQLAlchemy, a table of moves) is reached by
the tests that run a line which names what it defines.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from coverage import CoverageData

from tools.packages import OURS
from tools.random_mutants import measuring

#: What runs the rules and the ledger in its own process, for two processes side by side. The guards
#: of the repository (tests/unit/*.py) run neither.
TESTS = (
    ("tests/integration/models",),
    (
        "tests/unit/http",
        "tests/unit/audience",
        "tests/unit/cli",
        "tests/unit/rules",
        "tests/unit/views",
        "tests/unit/producer",
        "tests/unit/wechat",
        "tests/integration/producer",
        "tests/integration/worker",
    ),
)
#: For the map and the trials: tests keep their order, each database its share, and a plugin that
#: takes seconds to import stays away.
PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:schemathesis",
    "-p",
    "no:tests.servers.shares",
)
Lines = tuple[int, int]


class Reach:
    """What was measured of the tree in *root*."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self.seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text("utf-8"))
        self._data = CoverageData(str(folder / "lines"))
        self._data.read()
        self._files: dict[str, dict[int, set[str]]] = {}
        self._imported: dict[str, set[int]] = {}

    def tests_of(self, file: str, lines: Lines) -> list[str]:
        """Return the tests that reach one of these lines, the fastest first; [] if none does.

        Where the node is on no line of its own, those of its statement count.
        """
        tree = self._trees[file]
        found: set[str] = set()
        if _is_within(lines, _bodies(tree)):
            found = self._on(file, lines) or self._on(file, _statement(tree, lines))
        if self.function_of(file, lines) is None:
            found |= self._of_names(file, lines)
        return sorted(found & self.seconds.keys(), key=lambda test: (self.seconds[test], test))

    def function_of(self, file: str, lines: Lines) -> tuple[str, int] | None:
        """Return name and first line of the outermost function around these lines.

        None where they are run while the module is imported, too.
        """
        self._on(file, lines)
        if any(n in self._imported[file] for n in range(lines[0], lines[1] + 1)):
            return None
        return _function(self._trees[file].body, lines, within="")

    def _on(self, file: str, lines: Lines) -> set[str]:
        if file not in self._files:
            by_line = self._data.contexts_by_lineno(file)
            self._files[file] = {line: set(tests) - {""} for line, tests in by_line.items()}
            self._imported[file] = {line for line, tests in by_line.items() if "" in tests}
        of_file = self._files[file]
        return set().union(*(of_file.get(n, set()) for n in range(lines[0], lines[1] + 1)))

    def _of_names(self, file: str, lines: Lines) -> set[str]:
        """Return who runs a line that names what these define, over any number of definitions."""
        found: set[str] = set()
        todo = [
            (file, name)
            for statement in self._trees[file].body
            if _is_within(lines, [_lines(statement)])
            for name in _defined(statement)
        ]
        seen: set[tuple[str, str]] = set()
        while todo:
            where, name = one = todo.pop()
            if one in seen:
                continue
            seen.add(one)
            for place, line, owner in self._uses[name]:
                if name.startswith("_") and place != where:
                    continue
                if owner:
                    todo.append((place, owner))
                else:
                    found |= self._on(place, (line, line))
        return found

    @cached_property
    def _trees(self) -> dict[str, ast.Module]:
        return {
            str(path.relative_to(self._root)): ast.parse(path.read_bytes())
            for package in OURS
            for path in (self._root / package).rglob("*.py")
        }

    @cached_property
    def _uses(self) -> dict[str, list[tuple[str, int, str]]]:
        """Of each name where it is used: (file, line, what is defined by it outside functions)."""
        uses: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
        for file, tree in self._trees.items():
            bodies = _bodies(tree)
            for statement in tree.body:
                for name, line in _named(statement):
                    within = _is_within((line, line), bodies)
                    owners = [""] if within else _defined(statement)
                    uses[name] += [(file, line, owner) for owner in owners if owner != name]
        return uses


def take(root: Path, folder: Path) -> None:
    """Run the tests of the map and keep, in *folder*, what they reach and how long they take."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        measuring.FOLDER: str(folder),
        measuring.PACKAGES: " ".join(OURS),
        # The other way to trace forgets a line that it has seen once, whichever test it was.
        "COVERAGE_CORE": "ctrace",
    }
    runs = [
        subprocess.Popen([*PYTEST, "-p", measuring.__name__, *some], cwd=root, env=environment)
        for some in TESTS
    ]
    for run in runs:
        if run.wait() not in {0, 1}:
            sys.exit(f"the tests of the map could not be run: pytest ended with {run.returncode}")
    combine(root, folder)


def combine(root: Path, folder: Path) -> None:
    """Make one file of lines and one of seconds of what the processes wrote."""
    whole = CoverageData(str(folder / "lines"))
    for part in folder.glob("lines.*"):
        one = CoverageData(str(part))
        one.read()
        whole.update(one, map_path=lambda path: str(Path(path).relative_to(root)))
    whole.write()
    seconds: dict[str, float] = {}
    for part in folder.glob("seconds-*.json"):
        seconds |= json.loads(part.read_text("utf-8"))
    (folder / "seconds.json").write_text(json.dumps(seconds), "utf-8")


def digest(root: Path) -> str:
    """Return a name for the tree: what is tested, and what tests."""
    known = hashlib.sha256()
    for package in (*OURS, "migrations", "simulator", "tests"):
        for path in sorted((root / package).rglob("*.py")):
            known.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return known.hexdigest()[:16]


def _lines(node: ast.stmt) -> Lines:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)]), node.end_lineno or node.lineno


def _is_within(lines: Lines, spans: list[Lines]) -> bool:
    return any(begin <= lines[0] and lines[1] <= end for begin, end in spans)


def _bodies(tree: ast.Module) -> list[Lines]:
    return [
        (node.body[0].lineno, node.end_lineno or 0)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _function(body: list[ast.stmt], lines: Lines, *, within: str) -> tuple[str, int] | None:
    for node in body:
        match node:
            case ast.ClassDef(name=name, body=inner):
                found = _function(inner, lines, within=f"{within}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                inside = _is_within(lines, [(node.body[0].lineno, node.end_lineno or 0)])
                found = (f"{within}{name}", _lines(node)[0]) if inside else None
            case _:
                found = None
        if found:
            return found
    return None


def _statement(tree: ast.Module, lines: Lines) -> Lines:
    """Return the lines of the innermost statement, of one with a body those before its body."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and _is_within(lines, [_lines(node)])
    ]
    innermost = min(around, key=lambda node: (node.end_lineno or 0) - node.lineno)
    body = getattr(innermost, "body", None)
    if body:
        return innermost.lineno, max(innermost.lineno, body[0].lineno - 1)
    return innermost.lineno, innermost.end_lineno or innermost.lineno


def _defined(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [name for target in targets for name, _ in _named(target)]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [name for name, _ in _named(target)]
    return []


def _named(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name, node.lineno
