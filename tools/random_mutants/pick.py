"""The pick: so many mutants of the rules and the ledger, drawn evenly from their syntax trees."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.random_mutants.operators import OPERATORS, Change, called_name, nodes

#: What decides: the rules that know no database, and the only writers of the ledger.
TARGETS = ("broadcast/rules", "broadcast/day.py", "broadcast/sorted_openids.py", "models/ledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one file."""

    file: str
    kind: str
    #: Of its node, among the nodes of all targets.
    place: int
    lines: tuple[int, int]
    #: The bytes of the file that are replaced.
    span: tuple[int, int]
    new: str
    told: str

    @property
    def where(self) -> str:
        """Say where it is."""
        return f"{self.file}:{self.lines[0]}"

    def apply(self, text: bytes) -> bytes:
        """Return the file with the change."""
        begin, end = self.span
        return text[:begin] + self.new.encode() + text[end:]


def pick(root: Path, *, seed: int, count: int, targets: Iterable[str] = TARGETS) -> list[Mutant]:
    """Cut the nodes of the targets into *count* equal stretches and draw one mutant of each.

    Its kind is drawn first, so that rare kinds are seen. A stretch without any gives its turn to
    the whole.
    """
    mutants, total = all_of(root, targets)
    draw = random.Random(seed)  # noqa: S311 - it is to be repeated
    picked: list[Mutant] = []
    for n in range(count):
        begin, end = total * n // count, total * (n + 1) // count
        picked += _one(draw, root, [one for one in mutants if begin <= one.place < end])
    while len(picked) < count:
        left = [one for one in mutants if one not in picked]
        if not left:
            break
        picked += _one(draw, root, left)
    return sorted(picked, key=lambda one: (one.file, one.span))


def all_of(root: Path, targets: Iterable[str]) -> tuple[list[Mutant], int]:
    """Return every mutant of the targets, and how many nodes these have."""
    needed = _needed_keywords(root)
    mutants: list[Mutant] = []
    total = 0
    for file in files(root, targets):
        made, of_file = of_text(file, (root / file).read_bytes(), first=total, needed=needed)
        mutants += made
        total += of_file
    return mutants, total


def files(root: Path, targets: Iterable[str]) -> list[str]:
    """Return the modules of the targets, as paths from the root."""
    found = [root / target for target in targets]
    modules = {
        module for place in found for module in ([place] if place.suffix else place.rglob("*.py"))
    }
    return sorted(str(module.relative_to(root)) for module in modules)


def of_text(
    file: str, text: bytes, *, first: int = 0, needed: frozenset[tuple[str, str]] = frozenset()
) -> tuple[list[Mutant], int]:
    """Return every mutant of a module whose first node has the number *first*, and its nodes.

    *needed*: the keywords without a default, by function; without one of them every call fails.
    """
    starts = [0]
    for line in text.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    made, place = [], first - 1
    for place, node in enumerate(nodes(ast.parse(text)), first):
        for operator in OPERATORS:
            for change in operator(node):
                site = change.of or node
                if isinstance(site, ast.expr | ast.stmt) and not _fails(node, change, needed):
                    made.append(_mutant(file, place, change, site=site, starts=starts))
    return made, place + 1 - first


def _mutant(
    file: str, place: int, change: Change, *, site: ast.expr | ast.stmt, starts: Sequence[int]
) -> Mutant:
    last = site.end_lineno or site.lineno
    new = ast.unparse(ast.fix_missing_locations(change.new))
    return Mutant(
        file=file,
        kind=change.kind,
        place=place,
        told=change.told,
        lines=(site.lineno, last),
        span=(
            starts[site.lineno - 1] + site.col_offset,
            starts[last - 1] + (site.end_col_offset or 0),
        ),
        new=f"({new})" if isinstance(site, ast.expr) else new,
    )


def _one(draw: random.Random, root: Path, mutants: list[Mutant]) -> list[Mutant]:
    """Draw a mutant that is Python, in a list, or none."""
    while mutants:
        kind = draw.choice(sorted({one.kind for one in mutants}))
        drawn = draw.choice([one for one in mutants if one.kind == kind])
        if _is_python(drawn.apply((root / drawn.file).read_bytes())):
            return [drawn]
        mutants = [one for one in mutants if one is not drawn]
    return []


def _is_python(text: bytes) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _needed_keywords(root: Path) -> frozenset[tuple[str, str]]:
    found = set()
    for path in [*root.glob("broadcast/**/*.py"), *root.glob("models/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef):
                given = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                found |= {(node.name, one.arg) for one, default in given if default is None}
    return frozenset(found)


def _fails(node: ast.AST, change: Change, needed: frozenset[tuple[str, str]]) -> bool:
    if change.kind != "keyword" or not isinstance(node, ast.Call):
        return False
    assert isinstance(change.new, ast.Call)
    left_out = {one.arg for one in node.keywords} - {one.arg for one in change.new.keywords}
    return any((called_name(node), arg) in needed for arg in left_out)
