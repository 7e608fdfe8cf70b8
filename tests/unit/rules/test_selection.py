"""Who of an audience is meant: what is stored of it, and who is in a sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.rules.plan import selection as selections
from broadcast.rules.plan.cut import LEFT
from broadcast.rules.plan.leaving import highest_of, parts, scores
from broadcast.rules.plan.selection import (
    EVERYBODY,
    Excluded,
    Exclusion,
    Removal,
    Sample,
    Selection,
    checked_size,
    seed_of,
)
from broadcast.sorted_openids import IDs, packed

SEED = seed_of(appid="wx1", key="k")
exclusions = st.builds(
    Exclusion, kind=st.sampled_from(Excluded), value=st.text("0123456789abcdef-", min_size=1)
)
selections_said = st.builds(
    Selection,
    exclude=st.lists(exclusions, unique=True).map(lambda found: tuple(sorted(found))),
    only_current=st.booleans(),
    sample=st.none() | st.builds(Sample, size=st.sampled_from(["2", "10%"]), seed=st.just(SEED)),
    ignore_suppression=st.booleans(),
)


def people(numbers: list[int]) -> IDs:
    return np.array([f"o{n:027d}" for n in sorted(numbers)], "S28")


@given(selections_said)
def test_what_is_stored_is_read_back_and_nothing_is_stored_of_everybody(said: Selection) -> None:
    assert selections.parse(said.stored) == said
    assert (said.stored is None) is (said == EVERYBODY)


def test_what_a_newer_release_said_is_not_taken_for_less() -> None:
    with pytest.raises(ValueError, match="another release"):
        selections.parse('{"cap":"skip"}')
    with pytest.raises(ValueError, match="moon"):
        selections.parse('{"exclude":["moon:1"]}')


def test_another_part_of_an_audience_is_another_send_but_not_by_its_seed() -> None:
    one, other = (Sample(size="10%", seed=seed_of(appid="wx1", key=key)) for key in "ab")
    fewer = Selection(exclude=(Exclusion(kind=Excluded.TAG, value="2"),))

    assert one.seed != other.seed
    assert Selection(sample=one).share_digest == Selection(sample=other).share_digest
    assert EVERYBODY.share_digest is None
    assert Selection(only_current=True, ignore_suppression=True).share_digest is None
    assert len({fewer.share_digest, Selection(sample=one).share_digest, None}) == 3


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10%", "10%"),
        ("10.50 %".replace(" ", ""), "10.5%"),
        ("100%", "100%"),
        ("0.5%", "0.5%"),
        ("2", "2"),
        ("0020", "20"),
        ("1000", "1000"),
        ("50.0", "50"),
    ],
)
def test_a_size_has_one_form(text: str, size: str) -> None:
    assert checked_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "1", "1.5", "0%", "101%", "-5", "10 %", "ten", "1e3", "%", "٢%", "0.0001%"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        checked_size(text)


@pytest.mark.parametrize(
    ("size", "left", "meant"),
    [("10%", 100, 10), ("10%", 5, 1), ("10%", 4, 0), ("33.3%", 1000, 333), ("50", 40, 40)],
)
def test_a_share_is_rounded_and_no_sample_is_larger_than_its_list(
    size: str, left: int, meant: int
) -> None:
    assert Sample(size=size, seed=SEED).size_among(left) == meant


def drawn(ids: IDs, size: int, seed: str = SEED) -> set[bytes]:
    found = scores(ids, seed)
    return set(ids[found <= highest_of([found], size)].tolist())


def test_a_sample_is_exact_even_and_decided_by_its_seed() -> None:
    ids = people(list(range(20_000)))

    sample = drawn(ids, 2_000)

    assert len(sample) == 2_000
    assert sample == drawn(ids, 2_000)
    other = drawn(ids, 2_000, seed_of(appid="wx1", key="l"))
    # Two draws of a tenth share a tenth of it.
    assert 100 < len(sample & other) < 320
    by_thousand = np.histogram(
        np.flatnonzero(np.isin(ids, list(sample))), bins=20, range=(0, 20_000)
    )[0]
    assert by_thousand.min() > 50
    assert by_thousand.max() < 160


@given(st.sets(st.integers(0, 300), min_size=30), st.integers(2, 20))
def test_who_comes_and_goes_changes_nobody_else_s_place(numbers: set[int], size: int) -> None:
    """A larger sample holds the smaller one, and a share of fewer people a part of it."""
    ids = people(list(numbers))

    assert drawn(ids, size) <= drawn(ids, size + 5)
    without = ids[1:]
    assert drawn(without, size) - drawn(ids, size) <= drawn(without, size)
    assert len(drawn(ids, size) - drawn(without, size)) <= 1


@given(
    st.lists(st.integers(0, 60), unique=True),
    st.lists(
        st.tuples(
            st.sampled_from(["suppressed", "excluded"]), st.lists(st.integers(0, 60), unique=True)
        ),
        max_size=4,
    ),
    st.integers(1, 9),
)
def test_everybody_is_left_or_out_for_the_first_reason_and_each_list_is_in_order(
    numbers: list[int], out: list[tuple[str, list[int]]], piece: int
) -> None:
    ids = people(numbers)
    pieces = [ids[at : at + piece] for at in range(0, len(ids), piece)]
    removals = [Removal(reason=reason, pieces=[packed(people(some))]) for reason, some in out]

    found: dict[str, list[bytes]] = {}
    for some in parts(pieces, removals):
        for what, there in some:
            found.setdefault(what, []).extend(there.tolist())

    wanted: dict[str, list[bytes]] = {}
    for one in ids.tolist():
        reasons = [reason for reason, some in out if one in people(some).tolist()]
        wanted.setdefault(reasons[0] if reasons else LEFT, []).append(one)
    assert {what: some for what, some in found.items() if some} == wanted
