"""What the names of a module stand for: which are imported from where, and which are its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tools.move.plan import Module, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One alias of one import statement, resolved: a module of ours, or a name in one."""

    local: str
    module: str
    name: str | None
    renamed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The imports of a module of ours, by local name, and every name that it binds otherwise."""

    tree: ast.Module
    imports: dict[str, set[Import]]
    bound: set[str]
    own: set[str]
    visible: set[int]


def resolve(plan: Plan, module: str, name: str) -> tuple[str, str | None]:
    """Return the module and the name that ``from module import name`` means, through re-exports.

    The name is None where a module is meant.
    """
    if module in plan.reexporting:
        for node in ast.parse(plan.modules[module].text).body:
            if isinstance(node, ast.ImportFrom) and node.module in plan.modules:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return resolve(plan, node.module, alias.name)
    full = f"{module}.{name}"
    if full in plan.modules and name not in plan.exported(module):
        return full, None
    return module, name


def scope_of(plan: Plan, module: Module) -> Scope:
    """Read a module."""
    tree = ast.parse(module.text)
    imports: dict[str, set[Import]] = {}
    for node in imports_of(tree):
        for alias in node.names:
            found = _resolved(plan, node, alias)
            if found:
                imports.setdefault(found.local, set()).add(found)
    return Scope(
        tree=tree,
        imports=imports,
        bound=set(_bound(tree)),
        own=own_names(tree),
        visible=_visible(tree),
    )


def imports_of(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """Return the ``from`` imports at every depth; the house has no others of its own modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node


def own_names(tree: ast.Module) -> set[str]:
    """Return what a module defines at its top, imports apart."""
    found: set[str] = set()
    for node in tree.body:
        inner = node.body if isinstance(node, ast.If) else [node]
        for one in inner:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(one.name)
            elif isinstance(one, ast.Assign | ast.AnnAssign | ast.AugAssign):
                found |= {n.id for n in ast.walk(one) if _is_stored(n) and isinstance(n, ast.Name)}
    return found


def _visible(tree: ast.Module) -> set[int]:
    """Return the ids of the nodes that mean a name of the module: no function binds its own."""
    found: set[int] = set()

    def walk(node: ast.AST, hidden: frozenset[str]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            hidden |= _locals(node)
        if isinstance(node, ast.Name) and node.id not in hidden:
            found.add(id(node))
        fields = _fields(node) if isinstance(node, ast.ClassDef) else frozenset[str]()
        for child in ast.iter_child_nodes(node):
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            walk(child, hidden if is_function else hidden | fields)

    walk(tree, frozenset())
    return found


def _fields(node: ast.ClassDef) -> frozenset[str]:
    """Return what the body of a class binds: its functions do not see that."""
    bound = [one for one in node.body if isinstance(one, ast.Assign | ast.AnnAssign)]
    stored = (one for each in bound for one in ast.walk(each) if _is_stored(one))
    return frozenset(one.id for one in stored if isinstance(one, ast.Name))


def _locals(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Return the arguments of a function and what it assigns, inner functions apart."""
    bound = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
    waiting: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(one.name)
            continue
        if isinstance(one, ast.Lambda):
            continue
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            bound.add(one.id)
        waiting += list(ast.iter_child_nodes(one))
    return bound


def _resolved(plan: Plan, node: ast.ImportFrom, alias: ast.alias) -> Import | None:
    if node.module is None:
        return None
    is_ours = node.module in plan.modules or f"{node.module}.{alias.name}" in plan.modules
    if not is_ours:
        return None
    module, name = resolve(plan, node.module, alias.name)
    renamed = alias.asname is not None
    return Import(local=alias.asname or alias.name, module=module, name=name, renamed=renamed)


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)


def _bound(tree: ast.Module) -> Iterator[str]:
    """Yield every name that is bound by something else than an import of ours, at any depth."""
    methods = {
        id(one) for cls in ast.walk(tree) if isinstance(cls, ast.ClassDef) for one in cls.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif _is_stored(node) and isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if id(node) not in methods:
                yield node.name
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
