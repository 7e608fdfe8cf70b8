"""Each planted bug still fits the code that it is planted in."""

from __future__ import annotations

from tools import mutants


def test_every_mutant_fits_one_place_of_the_code_and_names_tests_that_exist() -> None:
    for mutant in mutants.load():
        for test in mutant.tests:
            assert (mutants.ROOT / test.split("::", maxsplit=1)[0]).exists(), (mutant.name, test)


def test_the_pages_name_as_many_rules_as_are_planted() -> None:
    n = len(list(mutants.load()))
    docs = mutants.ROOT / "docs"

    assert f" lists {n} rules." in (docs / "proofs/planted-bugs.md").read_text("utf-8")
    assert f"| {n} rules " in (docs / "reliability.md").read_text("utf-8")
    assert f"| {n} 条" in (docs / "reliability.zh.md").read_text("utf-8")
