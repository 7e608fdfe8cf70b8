"""A plan: which module goes where, which files beside them, and which top-level names change."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: What is a file's name, though it reads like a module's.
FILE = re.compile(r"\.(csv|json|log|lua|md|mo|po|py|sqlite|svg|toml|txt|yml)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module of the checkout before the move."""

    name: str
    path: Path
    text: str

    @property
    def is_package(self) -> bool:
        """True if it is the ``__init__`` of a package."""
        return self.path.name == "__init__.py"


@dataclass(kw_only=True)
class Plan:
    """What is moved.

    *moves* leads from each moved module to its new name; several with one new name are joined, in
    the order of the plan. *renames* leads from ``(old module, old name)`` to the new name.
    """

    moves: dict[str, str]
    renames: dict[tuple[str, str], str]
    docs: dict[str, str]
    files: dict[str, str]
    patches: list[dict[str, str]]
    dropped: set[str]
    reexporting: set[str]
    modules: dict[str, Module]
    reports: list[str] = field(default_factory=list)
    _exported: dict[str, set[str]] = field(default_factory=dict)

    def new_name(self, module: str) -> str:
        """Return where *module* is after the move."""
        return self.moves.get(module, module)

    def new_attribute(self, module: str, name: str) -> str:
        """Return what *name* of *module* is called after the move."""
        return self.renames.get((module, name), name)

    def is_text(self, value: str) -> bool:
        """Return whether *value* is the id of a text, or with a dot at its end begins one."""
        if value.endswith("."):
            return any(one.startswith(value) for one in self._texts)
        # Some code puts what an id begins with before the rest of it.
        return any(one == value or one.endswith(f".{value}") for one in self._texts)

    @cached_property
    def _texts(self) -> set[str]:
        """The ids of texts, some of which read like the names of modules."""
        files = [ROOT / name for name in tracked("*.po")]
        texts = "\n".join(file.read_text("utf-8") for file in files)
        return set(re.findall(r'^msgid "(.+)"$', texts, re.MULTILINE))

    @cached_property
    def paths(self) -> dict[str, str]:
        """From the path of each file that moves to the new one."""
        moved = {
            str(self.modules[old].path): str(self.path_of(new))
            for old, new in self.moves.items()
            if old not in self.dropped
        }
        return moved | self.files

    @cached_property
    def sources(self) -> dict[str, list[str]]:
        """The old modules of each new one, in order."""
        found: dict[str, list[str]] = {}
        ordered = [*self.moves, *(name for name in self.modules if name not in self.moves)]
        for old in ordered:
            if old in self.modules and old not in self.dropped:
                found.setdefault(self.new_name(old), []).append(old)
        return found

    def exported(self, package: str) -> set[str]:
        """Return the names that the ``__init__`` of *package* binds itself."""
        if package not in self.modules or not self.modules[package].is_package:
            return set()
        if package in self._exported:
            return self._exported[package]
        found: set[str] = set()
        for node in ast.parse(self.modules[package].text).body:
            inner = node.body if isinstance(node, ast.If) else [node]
            for one in inner:
                if isinstance(one, ast.ImportFrom) and one.module != package:
                    found |= {alias.asname or alias.name for alias in one.names}
                elif isinstance(one, ast.FunctionDef | ast.ClassDef):
                    found.add(one.name)
        self._exported[package] = found
        return found

    def path_of(self, new: str) -> Path:
        """Return the file of a module after the move."""
        is_package = any(other.startswith(new + ".") for other in self.sources)
        was = [self.modules[old] for old in self.sources.get(new, ()) if old == new]
        if is_package or (was and was[0].is_package):
            return Path(*new.split("."), "__init__.py")
        return Path(*new.split(".")).with_suffix(".py")

    def report(self, module: str, what: str) -> None:
        """Note what a person has to look at."""
        self.reports.append(f"{module}: {what}")


def load(path: Path) -> Plan:
    """Read the plan at *path* and the modules of this checkout; exit where it names what is not."""
    told = tomllib.loads(path.read_text("utf-8"))
    modules = checkout()
    moves: dict[str, str] = {}
    for new, olds in told.get("modules", {}).items():
        for old in [olds] if isinstance(olds, str) else olds:
            if old in moves:
                sys.exit(f"{old} goes to two places: {moves[old]} and {new}")
            moves[old] = new
    for before, after in told.get("packages", {}).items():
        for name in modules:
            if name == before or name.startswith(before + "."):
                moves.setdefault(name, after + name[len(before) :])
    renames = {}
    for old, new in told.get("names", {}).items():
        module, _, name = old.rpartition(":")
        renames[module, name] = new
    unknown = ({*moves} | {module for module, _ in renames}) - {*modules}
    if unknown:
        sys.exit(f"no such modules: {', '.join(sorted(unknown))}")
    return Plan(
        moves=moves,
        renames=renames,
        docs=told.get("docs", {}),
        files=told.get("files", {}),
        patches=told.get("patch", []),
        dropped=set(told.get("drop", [])),
        reexporting=set(told.get("reexporting", [])),
        modules=modules,
    )


def checkout() -> dict[str, Module]:
    """Return every Python module that git knows here, by its name."""
    found = {}
    for path in map(Path, tracked("*.py")):
        parts = path.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name=name, path=path, text=(ROOT / path).read_text("utf-8"))
    return found


def tracked(*patterns: str) -> list[str]:
    """Return the tracked files that fit *patterns* and are there."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z", "--", *patterns],  # noqa: S607
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
