"""Each planted bug still fits the code that it is planted in."""

from __future__ import annotations

from tools import mutants


def test_every_mutant_fits_one_place_of_the_code_and_names_tests_that_exist() -> None:
    for mutant in mutants.load():
        for test in mutant.tests:
            assert (mutants.ROOT / test.split("::", maxsplit=1)[0]).exists(), (mutant.name, test)
