"""Operators: the small changes that are made to one node of a module, each a mutant.

Each takes a node and yields what it makes of it. What cannot be tested by behaviour is no node
here: annotations, decorators, texts, what is logged, and the crash points, which do nothing.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
}
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
#: "And" and "or" of SQLAlchemy's conditions, of sets and of numpy's masks.
BITS: dict[type[ast.operator], type[ast.operator]] = {ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "and_": "or_", "or_": "and_"}
#: Parts of a statement of SQLAlchemy. `with_for_update` is left out: SQLite has no such lock.
CLAUSES = {"where", "order_by", "limit", "distinct", "having"}
CONDITIONS = {"where", "having", "and_", "or_"}
#: Functions whose calls leave nothing that a test of a decision could see.
UNSEEN = {"log", "failpoint"}
UNTESTED_FIELDS = {"annotation", "returns", "decorator_list", "type_params", "pattern"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an operator makes of a node, or of the part *of* it; *told* says it to people."""

    kind: str
    new: ast.AST
    told: str
    of: ast.AST | None = None


def nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that may be changed, in the order of the text."""
    if isinstance(node, ast.expr | ast.stmt | ast.comprehension):
        yield node
    for name, value in ast.iter_fields(node):
        if name not in UNTESTED_FIELDS:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_unseen(child):
                    yield from nodes(child)


def _is_unseen(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant() | ast.JoinedStr()) | ast.JoinedStr():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))):
            return name in UNSEEN
        case ast.Expr(value=value):
            return _is_unseen(value)
    return False


def compare(node: ast.AST) -> Iterator[Change]:
    """Turn a comparison round, or move its boundary by one."""
    if not isinstance(node, ast.Compare):
        return
    for kind, table in (("comparison", OPPOSITE), ("boundary", BOUNDARY)):
        for i, one in enumerate(node.ops):
            if type(one) in table:
                ops = [*node.ops[:i], table[type(one)](), *node.ops[i + 1 :]]
                yield _swap(kind, node, ops=ops)


def logic(node: ast.AST) -> Iterator[Change]:
    """Make an "or" of an "and", an "and" of an "or", or leave one side out."""
    match node:
        case ast.BoolOp(op=op, values=values):
            yield _swap("logic", node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for i, value in enumerate(values):
                rest = values[:i] + values[i + 1 :]
                new = rest[0] if len(rest) == 1 else ast.BoolOp(op=op, values=rest)
                yield Change(kind="operand", new=new, told=f"without {_short(value)}")
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as op, left=left, right=right):
            yield _swap("logic", node, op=BITS[type(op)]())
            yield Change(kind="operand", new=left, told=f"without {_short(right)}")
            yield Change(kind="operand", new=right, told=f"without {_short(left)}")


def negation(node: ast.AST) -> Iterator[Change]:
    """Leave a "not" out, or negate a condition that is not a comparison."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
        yield Change(kind="negation", new=node.operand, told=f"{_short(node)} not negated")
    tests: list[ast.expr] = []
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        tests = [node.test]
    elif isinstance(node, ast.comprehension):
        tests = node.ifs
    for test in tests:
        if not isinstance(test, ast.Compare | ast.Constant | ast.UnaryOp):
            new = ast.UnaryOp(op=ast.Not(), operand=test)
            yield Change(kind="negation", new=new, told=f"not ({_short(test)})", of=test)


def statement(node: ast.AST) -> Iterator[Change]:
    """Leave a statement out: a call, a value that is stored in something, an error, a jump."""
    match node:
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield Change(kind="statement", new=ast.Pass(), told=f"without {_short(node)}")
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield Change(kind="statement", new=ast.Pass(), told=f"without {_short(node)}")
        case ast.Continue():
            yield Change(kind="statement", new=ast.Break(), told="continue → break")
        case ast.Return(value=None):
            yield Change(kind="return", new=ast.Pass(), told="without return")
        case ast.Return(value=value) if not isinstance(value, ast.Constant):
            yield Change(kind="return", new=_none(), told=f"{_short(node)} → return None")


def constant(node: ast.AST) -> Iterator[Change]:
    """Flip a truth value; add one to a number."""
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield _swap("constant", node, value=not node.value)
    elif isinstance(node.value, int | float):
        yield _swap("constant", node, value=node.value + 1)


def arithmetic(node: ast.AST) -> Iterator[Change]:
    """Take the opposite operation."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in ARITHMETIC:
        yield _swap("arithmetic", node, op=ARITHMETIC[type(node.op)]())


def name(node: ast.AST) -> Iterator[Change]:
    """Call the opposite function: min and max, any and all, SQLAlchemy's and_ and or_."""
    match node:
        case ast.Call(func=ast.Name(id=called)) if called in NAMES:
            yield _swap("name", node, func=ast.Name(id=NAMES[called], ctx=ast.Load()))


def keyword(node: ast.AST) -> Iterator[Change]:
    """Leave out an argument that has a name.

    Values need theirs (`Claim(number=…)`): without one the call would fail whatever the tests are.
    """
    if not isinstance(node, ast.Call) or called_name(node)[:1].isupper():
        return
    for i, one in enumerate(node.keywords):
        if one.arg is not None:
            keywords = [*node.keywords[:i], *node.keywords[i + 1 :]]
            told = f"{called_name(node)}(…) without {_short(one)}"
            yield Change(kind="keyword", new=_with(node, keywords=keywords), told=told)


def clause(node: ast.AST) -> Iterator[Change]:
    """Leave a clause of a statement out, one of its conditions, or its descending order."""
    if not isinstance(node, ast.Call):
        return
    called = called_name(node)
    if called in CONDITIONS and len(node.args) > 1:
        for i, one in enumerate(node.args):
            args = [*node.args[:i], *node.args[i + 1 :]]
            told = f"{called}(…) without {_short(one)}"
            yield Change(kind="clause", new=_with(node, args=args), told=told)
    elif isinstance(node.func, ast.Attribute) and called in CLAUSES | {"desc"}:
        told = f"without .{called}({', '.join(_short(one) for one in node.args)})"
        yield Change(kind="clause", new=node.func.value, told=told)


OPERATORS: tuple[Callable[[ast.AST], Iterator[Change]], ...] = (
    compare,
    logic,
    negation,
    statement,
    constant,
    arithmetic,
    name,
    keyword,
    clause,
)


def called_name(node: ast.Call) -> str:
    """Return the last part of the name of what is called, empty where it has none."""
    match node.func:
        case ast.Name(id=called) | ast.Attribute(attr=called):
            return called
    return ""


def _swap(kind: str, node: ast.AST, **fields: Any) -> Change:  # noqa: ANN401 - of any node
    new = _with(node, **fields)
    return Change(kind=kind, new=new, told=f"{_short(node)} → {_short(new)}")


def _with(node: ast.AST, **fields: Any) -> ast.AST:  # noqa: ANN401 - of any node
    new = copy.copy(node)
    for field, value in fields.items():
        setattr(new, field, value)
    return new


def _none() -> ast.AST:
    return ast.Return(value=ast.Constant(value=None))


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else f"{text[:69]}…"  # noqa: PLR2004 - a cell of a table
