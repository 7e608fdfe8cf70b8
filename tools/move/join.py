"""Several modules become one: their imports together, then their bodies, in the plan's order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from tools.move.bindings import resolve
from tools.move.plan import Plan
from tools.move.rewrite import Rewritten


@dataclass(kw_only=True)
class Parts:
    """The text of one module, taken apart."""

    doc: str
    imports: list[str] = field(default_factory=list)
    typing: list[str] = field(default_factory=list)
    body: str = ""


def join(plan: Plan, new: str, written: list[Rewritten]) -> str:
    """Return the text of the module *new*."""
    if len(written) == 1 and new not in plan.docs:
        return written[0].edits.result()
    _check_names(plan, new, written)
    same = _same(written)
    parts, repeated = [], set[str]()
    for one in written:
        parts.append(_taken_apart(one, repeated))
        repeated |= one.scope.own & same
    doc = plan.docs.get(new)
    head = f'"""{doc}"""' if doc else parts[0].doc
    imports = "".join(dict.fromkeys(line for part in parts for line in part.imports))
    typing = "".join(dict.fromkeys(line for part in parts for line in part.typing))
    text = f"{head}\n\n{imports}\n"
    if typing:
        text += f"if TYPE_CHECKING:\n{typing}\n"
    return text + "\n\n".join(part.body.strip("\n") + "\n" for part in parts if part.body.strip())


def _check_names(plan: Plan, new: str, written: list[Rewritten]) -> None:
    """Report what two of the modules define, or one defines and another imports from elsewhere."""
    owner: dict[str, str] = {}
    for one in written:
        for name in one.scope.own - _same(written):
            after = one.locals.get(name, name)
            if after in owner and after != "__all__":
                plan.report(new, f"{owner[after]} and {one.module.name} define {after}")
            owner[after] = one.module.name
    meant: dict[str, tuple[str, str]] = {}
    for one in written:
        for local, what in _imported(plan, one):
            if meant.setdefault(local, what) != what:
                plan.report(new, f"imports {local} of {meant[local][0]} and of {what[0]}")
    for one in written:
        for local, found in one.scope.imports.items():
            target = next(iter(found))
            is_inside = plan.new_name(target.module) == new
            if local in owner and owner[local] != one.module.name and not is_inside:
                plan.report(new, f"{one.module.name} imports {local}, which {owner[local]} defines")


def _imported(plan: Plan, one: Rewritten) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each name that a module imports from another, not the modules, and what it means."""
    new = plan.new_name(one.module.name)
    for node in one.scope.tree.body:
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            module, name = resolve(plan, node.module or "", alias.name)
            if name is not None and plan.new_name(module) != new:
                after = plan.new_attribute(module, name)
                yield alias.asname or after, (plan.new_name(module), after)


def _same(written: list[Rewritten]) -> set[str]:
    """Return the names that several of the modules assign by the same statement, as ``log``."""
    found: dict[str, set[str]] = {}
    for one in written:
        for node in one.scope.tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found.setdefault(node.targets[0].id, set()).add(ast.unparse(node.value))
    return {name for name, values in found.items() if len(values) == 1}


def _taken_apart(one: Rewritten, repeated: set[str]) -> Parts:
    """Take a module apart; what an earlier one assigns, too, is left out."""
    edits, tree = one.edits, one.scope.tree
    parts = Parts(doc="")
    removed: list[tuple[int, int]] = []
    for index, node in enumerate(tree.body):
        span = edits.whole_lines(node)
        if index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.doc = edits.within(span).strip("\n")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            parts.imports.append(edits.within(span))
        elif _is_type_checking(node):
            assert isinstance(node, ast.If)
            parts.typing += [edits.within(edits.whole_lines(inner)) for inner in node.body]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in repeated:
            pass
        else:
            continue
        removed.append(span)
    at = 0
    for begin, end in removed:
        parts.body += edits.within((at, begin))
        at = end
    parts.body += edits.within((at, len(edits.raw)))
    return parts


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
