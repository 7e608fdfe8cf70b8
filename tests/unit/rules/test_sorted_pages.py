"""Pages in any order become one sorted list, however they are cut and whatever they repeat."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broadcast import openid
from broadcast.sorted_openids import SAMPLED, in_order, ranges, sorted_page, unpacked

ALPHABET = "-0159AZ_az"
#: OpenIDs of one account differ in their middle, some only at their end.
OPENIDS = st.tuples(st.text(ALPHABET, min_size=3, max_size=3), st.sampled_from("_-aA")).map(
    lambda parts: f"o6_bmj{parts[0]}{'x' * 18}{parts[1]}"
)
PAGES = st.lists(st.lists(OPENIDS, min_size=1, max_size=40), max_size=8)


@given(pages=PAGES, most=st.integers(1, 200))
def test_each_openid_comes_once_and_in_the_order_of_ascii(
    pages: list[list[str]], most: int
) -> None:
    stored = [sorted_page(page) for page in pages]

    found = b"".join(openid.unpack(piece) for piece in in_order(lambda: stored, most=most))

    assert found.decode() == "".join(sorted({one for page in pages for one in page}))


@given(pages=PAGES, most=st.integers(1, 50))
def test_ranges_follow_one_another_and_name_the_page_of_each(
    pages: list[list[str]], most: int
) -> None:
    stored = [sorted_page(page) for page in pages]
    last, found = b"", [list[bytes]() for _ in pages]

    for one in ranges(lambda: stored, most=most, beside=unpacked(b"")):
        for name, page in zip(one.ids.tolist(), one.pages.tolist(), strict=True):
            assert last < name
            assert one.upto is None or name <= one.upto
            found[page].append(name)
        last = one.upto or b"~"

    assert found == [sorted(name.encode() for name in page) for page in pages]


def test_a_range_is_about_as_long_as_was_asked_for() -> None:
    names = [f"o{n * 7919 % 20_000:027d}" for n in range(20_000)]
    stored = [sorted_page(names[at : at + 1_000]) for at in range(0, 20_000, 1_000)]

    lengths = [len(one.ids) for one in ranges(lambda: stored, most=4_000)]

    assert sum(lengths) == 20_000
    assert max(lengths) <= 4_000 + 20 * SAMPLED * 2
