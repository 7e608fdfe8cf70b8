"""Random mutants: what each change makes of a line, what is left alone, and how they are drawn."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tools.random_mutants import serving
from tools.random_mutants.pick import TARGETS, files, of_text, pick

ROOT = Path(__file__).resolve().parents[2]
CHANGES = [
    ("a = x < y", "comparison", {"a = (x >= y)"}),
    ("a = x < y", "boundary", {"a = (x <= y)"}),
    ("a = x in y", "comparison", {"a = (x not in y)"}),
    ("a = x and y", "logic", {"a = (x or y)"}),
    ("a = x and y", "operand", {"a = (x)", "a = (y)"}),
    ("a = (T.x == 1) & T.y", "logic", {"a = ((T.x == 1) | T.y)"}),
    ("a = not x", "negation", {"a = (x)"}),
    ("if x: y()", "negation", {"if (not x): y()"}),
    ("a = [x for x in y if z]", "negation", {"a = [x for x in y if (not z)]"}),
    ("x.count += 1", "statement", {"pass"}),
    ("save(x)", "statement", {"pass"}),
    ("raise E", "statement", {"pass"}),
    ("x = 1", "statement", set()),
    ("def f():\n    return x", "return", {"def f():\n    return None"}),
    ("def f():\n    return", "return", {"def f():\n    pass"}),
    ("a = 1", "constant", {"a = (2)"}),
    ("a = True", "constant", {"a = (False)"}),
    ("a = x + y", "arithmetic", {"a = (x - y)"}),
    ("a = min(x, y)", "name", {"a = (max(x, y))"}),
    ("a = or_(x, y)", "name", {"a = (and_(x, y))"}),
    ("f(x, y=z)", "keyword", {"(f(x))"}),
    ("a = Value(x=1)", "keyword", set()),
    (
        "a = select(T).where(x, y)",
        "clause",
        {
            "a = (select(T).where(x))",
            "a = (select(T).where(y))",
        },
    ),
    (
        "a = select(T).where(x).limit(1)",
        "clause",
        {
            "a = (select(T)).limit(1)",
            "a = (select(T).where(x))",
        },
    ),
    ("a = T.n.desc()", "clause", {"a = (T.n)"}),
]


@pytest.mark.parametrize(("text", "kind", "made"), CHANGES)
def test_a_change_replaces_one_node_and_nothing_else(text: str, kind: str, made: set[str]) -> None:
    mutants, _ = of_text("a.py", text.encode())

    assert {one.apply(text.encode()).decode() for one in mutants if one.kind == kind} == made


@pytest.mark.parametrize(
    "text",
    [
        '"""A text of 1."""',
        "x: Literal[1] | None",
        "from x import y",
        "@dataclass(frozen=True)\nclass A: pass",
        "if TYPE_CHECKING:\n    x = 1",
        'log.info("%s", x + 1)',
        "failpoint(Point.CLAIM_COMMITTED)",
        'a = f"{x + 1}"',
    ],
)
def test_what_no_behaviour_shows_is_left_alone(text: str) -> None:
    assert not of_text("a.py", text.encode())[0]


def test_letters_of_many_bytes_before_it_do_not_move_a_change() -> None:
    text = 'a = "公众号"; b = x < y\n'.encode()
    mutants, _ = of_text("a.py", text)

    assert {one.apply(text).decode() for one in mutants if one.kind == "boundary"} == {
        'a = "公众号"; b = (x <= y)\n'
    }


def test_a_keyword_without_a_default_is_not_left_out() -> None:
    mutants, _ = of_text("a.py", b"f(x=a, y=b)", needed=frozenset({("f", "x")}))

    assert [one.new for one in mutants if one.kind == "keyword"] == ["(f(x=a))"]


def test_a_seed_draws_the_same_mutants_again_and_another_seed_others(tmp_path: Path) -> None:
    _write(tmp_path, {"a.py": 200, "b.py": 200})

    first, again, other = (
        pick(tmp_path, seed=seed, count=20, targets=["a.py", "b.py"]) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_a_file_of_three_times_the_nodes_has_three_times_the_mutants(tmp_path: Path) -> None:
    _write(tmp_path, {"a.py": 100, "b.py": 300})

    picked = pick(tmp_path, seed=7, count=40, targets=["a.py", "b.py"])

    assert Counter(one.file for one in picked) == {"a.py": 10, "b.py": 30}
    assert len({(one.span, one.file, one.new) for one in picked}) == 40


def test_every_target_is_there() -> None:
    for target in TARGETS:
        assert files(ROOT, [target]), target


def test_a_function_gets_the_code_of_its_mutant_whatever_decorates_it(tmp_path: Path) -> None:
    place = tmp_path / "decorated.py"
    text = (
        "import contextlib\nclass A:\n    @property\n    def n(self): return 1\n"
        "@contextlib.contextmanager\ndef f():\n    yield A().n + 1\n"
    )
    place.write_text(text, "utf-8")
    module = _imported(place)
    place.write_text(text.replace("return 1", "return 5").replace("+ 1", "+ 2"), "utf-8")

    assert serving.swap(place, ("A.n", 3))
    assert serving.swap(place, ("f", 5))
    with module["f"]() as n:
        assert n == 7


def _imported(place: Path) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("decorated", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def _write(folder: Path, lines: dict[str, int]) -> None:
    for name, count in lines.items():
        (folder / name).write_text("a = x < y\n" * count, "utf-8")
