"""A list in chunks, and the ranges that are cut out of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import openid
from broadcast.rules.plan.cut import chunked, cut_out

WIDTH = openid.PACKED_LENGTH


def packed(count: int) -> bytes:
    return openid.pack("".join(f"o{n:027d}" for n in range(count)).encode())


@given(
    count=st.integers(0, 60),
    most=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_chunks_are_the_list_however_it_comes(count: int, most: int, cuts: list[int]) -> None:
    whole = packed(count)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    pieces = [whole[a * WIDTH : b * WIDTH] for a, b in pairwise(edges)]

    chunks = list(chunked(pieces, most=most))

    assert b"".join(chunk.packed for chunk in chunks) == whole
    assert [chunk.start for chunk in chunks] == list(range(0, count, most))
    assert all(chunk.size == most for chunk in chunks[:-1])


@given(count=st.integers(1, 60), most=st.integers(1, 9), data=st.data())
def test_range_is_cut_out_of_the_chunks_that_touch_it(
    count: int, most: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, count - 1))
    size = data.draw(st.integers(1, count - start))
    chunks = [
        (chunk.start, chunk.packed)
        for chunk in chunked([packed(count)], most=most)
        if chunk.start < start + size and chunk.start + chunk.size > start
    ]

    assert cut_out(chunks, start=start, size=size) == packed(count)[start * WIDTH :][: size * WIDTH]
    for missing in range(len(chunks)):
        with pytest.raises(ValueError, match="OpenIDs"):
            cut_out([*chunks[:missing], *chunks[missing + 1 :]], start=start, size=size)
