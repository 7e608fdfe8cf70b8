"""What is told to a person comes from the catalogue, and code has no words of its own."""

from __future__ import annotations

import ast
import re

from tests.unit.test_catalogue import (
    CJK,
    ENDING,
    READ,
    ROOT,
    calls,
    catalogue,
    code,
    nodes,
    strings,
)

#: They carry ids and facts; only who speaks to a person has the words.
WORDLESS = ("broadcast", "entrypoints/callback", "models", "producer")
#: Objects for programs are views, and hold no words.
WORDS = re.compile(r"broadcast\.views\.(?!objects\b)")
#: Functions whose first argument a person reads: in words, or the id of a text.
TELLING = {"print", "echo", "secho", "say", "note", "warn", "fail", "tell", "prompt", "confirm"}


def test_no_chinese_stands_in_code() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.value!r}"
        for file, tree in code().items()
        for node in strings(tree)
        if CJK.search(str(node.value))
        and node.value not in READ
        and id(node) not in docstrings(tree)
    ]

    assert found == []


def test_nothing_is_told_to_a_person_but_from_the_catalogue() -> None:
    found = []
    for file, tree in code().items():
        for name, call in calls(tree):
            told = [call.args[0]] if name in TELLING and call.args else []
            told += [k.value for k in call.keywords if k.arg in {"help", "short_help", "epilog"}]
            found += [
                f"{file.relative_to(ROOT)}:{call.lineno}"
                for value in told
                if _has_words(value) and not _is_id(value)
            ]

    assert found == []


def test_only_who_speaks_to_a_person_asks_the_catalogue() -> None:
    found = [
        str(file.relative_to(ROOT))
        for file, tree in code().items()
        if str(file.relative_to(ROOT)).startswith(WORDLESS)
        and not str(file.relative_to(ROOT)).startswith(("broadcast/views/", "broadcast/logs/"))
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if WORDS.match(f"{node.module}.{alias.name}")
    ]

    assert found == []


def docstrings(tree: ast.Module) -> set[int]:
    """Return which constants are docstrings, or stand alone as a comment on an attribute."""
    return {
        id(node.value)
        for node in nodes(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _has_words(value: ast.expr) -> bool:
    """Tell whether a text that is told was written in the code."""
    if isinstance(value, ast.BinOp):
        return _has_words(value.left) or _has_words(value.right)
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    texts = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return any(re.search(r"[^\W\d_]{2}", words) for words in texts)


def _is_id(value: ast.expr) -> bool:
    if isinstance(value, ast.JoinedStr):
        first, *_, last = value.values
        built_up = isinstance(first, ast.FormattedValue) and isinstance(last, ast.Constant)
        return built_up and ENDING.match(str(getattr(last, "value", ""))) is not None
    return isinstance(value, ast.Constant) and value.value in catalogue("en")
