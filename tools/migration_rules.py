"""Rules of revisions: which of them programs of the release before can work beside.

A revision says what it is: ``KIND = "expand"`` adds what nobody has to know, and programs of the
release before go on; ``KIND = "contract"`` ends that, and raises ``oldest_compatible``. An expand
revision that was ended in its middle can be run again, on each database.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

EXPAND, CONTRACT = "expand", "contract"
#: What an expand revision may ask of Alembic.
ADDS: Final = frozenset(
    {
        "add_column",
        "batch_alter_table",
        "create_index",
        "create_table",
        "f",
    }
)
#: Why not the rest.
TOO_EARLY: Final = "it is one release too early"
WHY_NOT: Final = {"autocommit_block": "it keeps half a revision where the rest fails"}
#: Arguments of a new column: its name and its type. What follows are constraints, each added by a
#: statement of its own, and not every server says of each kind that it exists already.
NAME_AND_TYPE: Final = 2
#: By these a column, or its type, brings a constraint of its own.
CONSTRAINS: Final = {"create_constraint", "primary_key", "unique"}
HELPERS: Final = "alembic.op and sqlalchemy"
#: What it holds is not done: nothing is ever taken back.
DOWN: Final = "downgrade"
#: By this a contract revision says whose programs it stops.
STOPS: Final = "oldest_compatible"


def kind_of(source: str) -> str | None:
    """Return what a revision says that it is; None: nothing."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [one.id for one in node.targets if isinstance(one, ast.Name)]
            if "KIND" in names:
                return str(node.value.value)
    return None


def problems(source: str) -> Iterator[str]:
    """Yield what keeps a revision from being what it says."""
    kind = kind_of(source)
    body = ast.parse(source).body
    has_upgrade = any(isinstance(one, ast.FunctionDef) and one.name == "upgrade" for one in body)
    if kind not in {EXPAND, CONTRACT} or not has_upgrade:
        yield f'it has an upgrade(), and KIND = "{EXPAND}" or KIND = "{CONTRACT}"'
    elif kind == CONTRACT:
        if STOPS not in source:
            yield f"a contract revision raises {STOPS} in bc_installation"
    else:
        yield from _not_additions(body)


def _not_additions(body: list[ast.stmt]) -> Iterator[str]:
    """Yield what is no addition, wherever in the revision it stands: any function may be called."""
    kept = [one for one in body if not (isinstance(one, ast.FunctionDef) and one.name == DOWN)]
    nodes = [node for one in kept for node in ast.walk(one)]
    words = {name for node in nodes for name in _imported(node, "sqlalchemy")}
    for node in nodes:
        if isinstance(node, ast.Attribute) and _root(node) not in words and node.attr not in ADDS:
            what = f"does no {node.attr}: {WHY_NOT.get(node.attr, TOO_EARLY)}"
            yield f"line {node.lineno}: an expand revision {what}"
        elif isinstance(node, ast.Import | ast.ImportFrom) and not _is_known(node):
            yield f"line {node.lineno}: an expand revision imports {HELPERS} alone"
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    yield from _too_strict(calls)
    yield from _handed_over(nodes, {id(node.func) for node in calls})


def _too_strict(calls: list[ast.Call]) -> Iterator[str]:
    """Yield additions that refuse what older programs write."""
    named = [(node, getattr(node.func, "attr", None)) for node in calls]
    new = {_first(node) for node, name in named if name == "create_table"}
    for node, name in named:
        where, said = f"line {node.lineno}", node.keywords
        if name == "add_column" and not _may_be_left_out(node):
            yield f"{where}: a new column is nullable or has a server_default"
        elif name == "add_column" and any(_has_constraint(one) for one in node.args):
            why = "a new column with a constraint is two statements: leave the constraint out"
            yield f"{where}: {why}"
        elif name == "create_index" and not _tables(node) & new and _is_on(said, {"unique"}):
            yield f"{where}: older programs may write what is not unique"


def _handed_over(nodes: list[ast.AST], called: set[int]) -> Iterator[str]:
    """Yield where Alembic's ``op`` gets another name, under which nobody looks for it."""
    looked_at = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    ops = {name for node in nodes for name in _imported(node, "alembic")}
    for node in nodes:
        alone = isinstance(node, ast.Name) and node.id in ops and id(node) not in looked_at
        aside = isinstance(node, ast.Attribute) and _root(node) in ops and id(node) not in called
        if alone or aside:
            line = getattr(node, "lineno", 0)
            yield f"line {line}: what Alembic does is called by its own name"


def _imported(node: ast.AST, package: str) -> list[str]:
    """Return the names that an import from a package binds."""
    if isinstance(node, ast.Import):
        return [
            (one.asname or one.name).partition(".")[0]
            for one in node.names
            if one.name.partition(".")[0] == package
        ]
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package:
        return [one.asname or one.name for one in node.names]
    return []


def _is_known(node: ast.Import | ast.ImportFrom) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "alembic":
        return [one.name for one in node.names] == ["op"]
    return bool(_imported(node, "sqlalchemy") or _imported(node, "__future__"))


def _root(node: ast.expr) -> str | None:
    """Return the name of which *node* is a part, or a part of a call of a part."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else None


def _first(node: ast.Call) -> str:
    return ast.unparse(node.args[0]) if node.args else ""


def _tables(node: ast.Call) -> set[str]:
    return {ast.unparse(one) for one in node.args}


def _has_constraint(column: ast.expr) -> bool:
    many = isinstance(column, ast.Call) and len(column.args) > NAME_AND_TYPE
    said = [one for one in ast.walk(column) if isinstance(one, ast.keyword)]
    return many or "ForeignKey" in ast.unparse(column) or _is_on(said, CONSTRAINS)


def _is_on(said: list[ast.keyword], names: set[str]) -> bool:
    return any(one.arg in names and ast.unparse(one.value) != "False" for one in said)


def _may_be_left_out(node: ast.Call) -> bool:
    """Return whether the column of an ``add_column`` may be missing in what older programs write.

    That is said in the revision itself: SQLAlchemy's default is another one for a primary key.
    """
    said = [one for each in node.args if isinstance(each, ast.Call) for one in each.keywords]
    return any(
        one.arg == "server_default" or (one.arg == "nullable" and ast.unparse(one.value) == "True")
        for one in said
    )
