"""Holds the product against its limits of size: `tools/limits.toml`, by `make limits`.

Its nodes are the statements and expressions of the syntax tree, without imports, annotations and
docstrings: a measure of what is done, however it is written down.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from tools.packages import INSTALLED, ROOT

FILE: Final = "tools/limits.toml"
#: The simulator is another process, and shares no code with the product.
PRODUCT: Final = tuple(name for name in INSTALLED if name != "simulator")
#: A revision is frozen in time, and as long as its tables are many.
REVISIONS: Final = PurePath("migrations", "versions")
#: Names that Python gives a meaning.
NO_NAMES: Final = {"__init__", "__main__"}
Limits = Mapping[str, Any]
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """The figures of a file."""

    path: PurePath
    lines: int
    nodes: int
    #: Each function: its length in lines, its first line, its name.
    functions: tuple[tuple[int, int, str], ...]

    @property
    def is_revision(self) -> bool:
        """True if it is a revision of the database."""
        return self.path.parent == REVISIONS


def main() -> int:
    """Say which limits are broken."""
    lines = list(broken(read(), measured(ROOT)))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


def read(root: Path = ROOT) -> Limits:
    """Return the limits of a tree."""
    return tomllib.loads((root / FILE).read_text("utf-8"))


def measured(root: Path) -> list[Module]:
    """Return the figures of each file of the product."""
    places = [root / name for name in PRODUCT]
    files = [
        file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))
    ]
    return [_module(file, root) for file in sorted(files)]


def _module(file: Path, root: Path) -> Module:
    text = file.read_text("utf-8")
    tree = ast.parse(text)
    functions = [
        ((node.end_lineno or node.lineno) - node.lineno + 1, node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, _Function)
    ]
    return Module(
        path=PurePath(file.relative_to(root)), lines=text.count("\n"), nodes=nodes(tree),
        functions=tuple(functions),
    )  # fmt: skip


def nodes(node: ast.AST) -> int:
    """Return how many statements and expressions a syntax tree has."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return 0
    own = int(isinstance(node, ast.stmt | ast.expr))
    return own + sum(nodes(one) for one in _parts(node) if isinstance(one, ast.AST))


def _parts(node: ast.AST) -> Iterator[object]:
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "type_params"}:
            continue
        several = value if isinstance(value, list) else [value]
        yield from several[1:] if name == "body" and _has_docstring(node) else several


def _has_docstring(node: ast.AST) -> bool:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def room(path: PurePath) -> str:
    """Return the room of a file: its folder in a package or in the ledger, or the package."""
    folders = path.parent.parts or path.parts
    return "/".join(folders[: 3 if folders[:2] == ("models", "ledger") else 2])


def broken(limits: Limits, modules: Sequence[Module]) -> Iterator[str]:
    """Say in a line of each limit that does not hold: where, found, the limit, what to do."""
    yield from _totals(limits, modules)
    yield from _rooms(limits["rooms"], modules)
    yield from _names(limits["names"], modules)
    yield from _lengths(limits, [one for one in modules if not one.is_revision])
    yield from _percentile(limits["functions"]["p90_lines"], modules)


def _totals(limits: Limits, modules: Sequence[Module]) -> Iterator[str]:
    ledger = [one for one in modules if one.path.parts[:2] == ("models", "ledger")]
    advice = f"Take code out, or raise it in {FILE} with a large feature, and say there why."
    for name, found in (("product", modules), ("ledger", ledger)):
        figures = {"nodes": sum(one.nodes for one in found), "files": len(found)}
        yield from above(name, figures, limits[name], advice=advice)


def _rooms(limits: Mapping[str, Limits], modules: Sequence[Module]) -> Iterator[str]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for one in modules:
        found[room(one.path)].update(nodes=one.nodes, files=1)
    for name, figures in found.items():
        if name in limits:
            advice = f"Make it smaller, or raise it in {FILE} with the feature, and say there why."
            yield from above(name, figures, limits[name], advice=advice)
        else:
            yield f"{name}: a room without limits. Add them to [rooms] of {FILE}, and say why."
    for name in sorted({*limits} - {*found}):
        yield f"{name}: limits of no room. Take them out of [rooms] of {FILE}."


def above(name: str, figures: Mapping[str, int], limits: Limits, *, advice: str) -> Iterator[str]:
    """Say in a line of each figure that it is above its limit."""
    for what, found in figures.items():
        if what in limits and found > limits[what]:
            yield f"{name}: {found:,} {what}, the limit is {limits[what]:,}. {advice}"


def _names(limits: Limits, modules: Sequence[Module]) -> Iterator[str]:
    features, most = limits["features"], limits["most_features"]
    if len(features) > most:
        yield f"features of {FILE}: {len(features)} names, the limit is {most}. Rename modules."
    homes: dict[str, list[str]] = defaultdict(list)
    for one in modules:
        homes[one.path.stem].append(str(one.path))
    several = {name: places for name, places in homes.items() if len(places) > 1}
    for name in sorted({*several} - {*features, *limits["pending"]} - NO_NAMES):
        places = ", ".join(several[name])
        yield f"{name}.py: {len(several[name])} modules, the limit is 1. Rename one of {places}."
    for name in sorted({*limits["pending"]} - {*several}):
        yield f"{name}: no name of two modules any more. Take it out of `pending` in {FILE}."


def _lengths(limits: Limits, modules: Iterable[Module]) -> Iterator[str]:
    most, longest = limits["file"]["lines"], limits["functions"]["lines"]
    for one in modules:
        if one.lines > most:
            yield f"{one.path}: {one.lines} lines, the limit of a file is {most}. Split it."
        for length, line, name in one.functions:
            if length > longest:
                yield (
                    f"{one.path}:{line}: {name} has {length} lines, the limit of a function is"
                    f" {longest}. Split it."
                )


def _percentile(limit: int, modules: Iterable[Module]) -> Iterator[str]:
    lengths = sorted(length for one in modules for length, _, _ in one.functions)
    found = lengths[len(lengths) * 9 // 10] if lengths else 0
    if found > limit:
        yield (
            f"functions: one in ten has {found} lines or more, the limit is {limit}."
            " Split long ones."
        )


if __name__ == "__main__":
    sys.exit(main())
