"""Rules of revisions: which of them programs of the release before can work beside.

A revision says what it is: ``KIND = "expand"`` adds what nobody has to know, and programs of the
release before go on; ``KIND = "contract"`` ends that, and raises ``oldest_compatible``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

EXPAND, CONTRACT = "expand", "contract"
#: What an expand revision may ask of Alembic.
ADDS: Final = frozenset({
    "add_column", "autocommit_block", "batch_alter_table", "create_index", "create_table", "f",
    "get_bind", "get_context",
})  # fmt: skip
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
    upgrade = next(
        (
            node for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
        ),
        None,
    )  # fmt: skip
    if kind not in {EXPAND, CONTRACT} or upgrade is None:
        yield f'it has an upgrade(), and KIND = "{EXPAND}" or KIND = "{CONTRACT}"'
    elif kind == CONTRACT:
        if STOPS not in source:
            yield f"a contract revision raises {STOPS} in bc_installation"
    else:
        yield from _not_additions(upgrade)


def _not_additions(upgrade: ast.FunctionDef) -> Iterator[str]:
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call)]
    asked = [(node, _asked(node.func)) for node in calls]
    new = {_first(node) for node, name in asked if name == "create_table"}
    for node, name in asked:
        where = f"line {node.lineno}"
        if name is not None and name not in ADDS:
            yield f"{where}: an expand revision does no {name}: it is one release too early"
        elif name == "add_column" and not _may_be_left_out(node):
            yield f"{where}: a new column is nullable or has a server_default"
        elif name == "create_index" and _is_unique(node) and not _tables(node) & new:
            yield f"{where}: older programs may write what is not unique"


def _asked(called: ast.expr) -> str | None:
    """Return what is asked of Alembic's ``op``, or of its batch; None: of something else."""
    if not isinstance(called, ast.Attribute):
        return None
    if isinstance(called.value, ast.Name):
        return called.attr if called.value.id in {"op", "batch_op", "batch"} else None
    return called.attr if called.attr == "autocommit_block" else None


def _first(node: ast.Call) -> str:
    return ast.unparse(node.args[0]) if node.args else ""


def _tables(node: ast.Call) -> set[str]:
    return {ast.unparse(one) for one in node.args}


def _is_unique(node: ast.Call) -> bool:
    return any(one.arg == "unique" and ast.unparse(one.value) != "False" for one in node.keywords)


def _may_be_left_out(node: ast.Call) -> bool:
    """Return whether the column of an ``add_column`` may be missing in what older programs write.

    That is said in the revision itself: SQLAlchemy's default is another one for a primary key.
    """
    said = [one for each in node.args if isinstance(each, ast.Call) for one in each.keywords]
    return any(
        one.arg == "server_default" or (one.arg == "nullable" and ast.unparse(one.value) == "True")
        for one in said
    )
