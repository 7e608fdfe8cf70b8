"""Holds the weight of each room of the product against `tools/limits.toml`, by `make limits`.

The weight of a room is what somebody wrote in it, however and wherever it is written down: the
statements and expressions of its syntax trees, the options of its commands, the members of its
enums, and the values of its data files. Imports, annotations, docstrings and texts weigh nothing.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Final

from tools.packages import INSTALLED, ROOT

FILE: Final = "tools/limits.toml"
#: The simulator is another process, and shares no code with the product.
PRODUCT: Final = tuple(name for name in INSTALLED if name != "simulator")
DATA: Final = frozenset({".csv", ".html", ".js", ".json", ".lua", ".mako", ".sql", ".toml"})
#: The catalogue is translated, and read by people.
TEXTS: Final = "locale"
#: A room whose weight is so far below its limit gets a lower one.
SLACK: Final = 0.02
#: The trailer of a commit that raises a limit: `Limit: entrypoints/cli +120, halt asks the owner`.
TRAILER: Final = re.compile(r"(?P<room>\S+) \+(?P<by>[\d_,]+), \S.*")
#: Changed lines of the limits in a diff, such as `+"broadcast/rules" = 23_400`.
_CHANGED: Final = re.compile(r'^(?P<sign>[+-])"?(?P<room>[\w/.]+)"? *= *(?P<weight>\d[\d_]*)')
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Print which limits do not hold."""
    lines = [*broken(read(), weights(ROOT)), *unexplained(ROOT)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


def read(root: Path = ROOT) -> Mapping[str, int]:
    """Return the limit of each room."""
    return tomllib.loads((root / FILE).read_text("utf-8"))


def weights(root: Path) -> Mapping[str, int]:
    """Return the weight of each room of the product."""
    found: Counter[str] = Counter()
    for name in PRODUCT:
        place = root / name
        for file in [place] if place.is_file() else place.rglob("*"):
            found[room(PurePath(file.relative_to(root)))] += weight_of(file)
    return +found


def room(path: PurePath) -> str:
    """Return the room of a file: its folder in a package or in the ledger, or the package."""
    folders = path.parent.parts or path.parts
    return "/".join(folders[: 3 if folders[:2] == ("models", "ledger") else 2])


def weight_of(file: Path) -> int:
    """Return the weight of a file; 0 for one that holds no code and no data."""
    if file.suffix == ".py":
        return weight(ast.parse(file.read_text("utf-8")))
    return values(file) if file.suffix in DATA and TEXTS not in file.parts else 0


def weight(tree: ast.AST) -> int:
    """Return the nodes of a syntax tree, the calls in its annotations and members in strings."""
    total = nodes(tree)
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if isinstance(part, ast.AST):
                calls = (one for one in ast.walk(part) if isinstance(one, ast.Call))
                total += sum(map(nodes, calls))
        if isinstance(node, ast.Call):
            total += 2 * len(_members_in_string(node))
    return total


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
    return isinstance(node, _Documented) and ast.get_docstring(node, clean=False) is not None


def _members_in_string(node: ast.Call) -> list[str]:
    """Return the members of `StrEnum("State", "HELD SENT")`, which no tree shows."""
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if not name.endswith("Enum") or len(node.args) < 2:  # noqa: PLR2004 - name and members
        return []
    match node.args[1]:
        case ast.Constant(value=str(members)):
            return members.split()
        case _:
            return []


def values(file: Path) -> int:
    """Return how many values a data file has; of a script how many words and signs."""
    text = file.read_text("utf-8")
    match file.suffix:
        case ".json":
            return _leaves(json.loads(text))
        case ".csv":
            return sum(bool(cell.strip()) for line in text.splitlines() for cell in line.split(","))
        case _:
            return len(re.findall(r"\w+|[^\w\s]", text))


def _leaves(value: object) -> int:
    if isinstance(value, dict):
        return sum(1 + _leaves(one) for one in value.values())
    return sum(map(_leaves, value)) if isinstance(value, list) else 1


def broken(limits: Mapping[str, int], found: Mapping[str, int]) -> Iterator[str]:
    """Say in a line of each limit that does not hold what was found and what to do."""
    for name, weight_ in sorted(found.items()):
        limit = limits.get(name)
        line = f"{_quoted(name)} = {weight_:_}"
        if limit is None:
            yield f"{name}: a room without a limit. Add it to {FILE}: {line}"
        elif weight_ > limit:
            yield (
                f"{name}: weight {weight_:,}, the limit is {limit:,}. Make it lighter, or commit"
                f" `{line}` with the trailer `Limit: {name} +{weight_ - limit}, WHY`."
            )
        elif weight_ < limit * (1 - SLACK):
            yield f"{name}: weight {weight_:,}, the limit is {limit:,}. Lower it to: {line}"
    for name in sorted({*limits} - {*found}):
        yield f"{name}: a limit of no room. Take it out of {FILE}."


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else f'"{name}"'


def unexplained(root: Path) -> Iterator[str]:
    """Say of each commit that raised a limit without its trailer which trailer it lacks.

    Nothing is said where there is no history, as in an archive.
    """
    lines = ("git", "log", "--reverse", "--unified=0", "--patch", "--format=%x01%h%x02%B%x02")
    done = subprocess.run([*lines, "--", FILE], cwd=root, capture_output=True, check=False)
    for commit in done.stdout.decode("utf-8", "replace").split("\x01")[1:]:
        name, message, patch = commit.split("\x02", 2)
        for raised, by in raises(patch):
            if (raised, by) not in trailers(message):
                yield f"commit {name} lacks the trailer `Limit: {raised} +{by}, WHY`."


def raises(patch: str) -> Iterator[tuple[str, int]]:
    """Yield the rooms whose limit a diff raises, and by how much."""
    before, after = dict[str, int](), dict[str, int]()
    for line in patch.splitlines():
        changed = _CHANGED.match(line)
        if changed and PurePath(changed["room"]).parts[0] in PRODUCT:
            side = before if changed["sign"] == "-" else after
            side[changed["room"]] = int(changed["weight"])
    for name in sorted({*before} & {*after}):
        if after[name] > before[name]:
            yield name, after[name] - before[name]


def trailers(message: str) -> set[tuple[str, int]]:
    """Return what the `Limit:` trailers of a commit's message explain."""
    prefix = "Limit: "
    lines = [line.removeprefix(prefix) for line in message.splitlines() if line.startswith(prefix)]
    found = filter(None, map(TRAILER.fullmatch, lines))
    return {(one["room"], int(re.sub(r"\D", "", one["by"]))) for one in found}


if __name__ == "__main__":
    sys.exit(main())
