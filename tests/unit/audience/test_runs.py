"""Sorted runs against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broadcast.openid import LENGTH
from producer.audience.runs import Runs

#: Few prefixes, few ends: OpenIDs that are told apart by their first bytes, by their last, by the
#: eight in the middle that are sorted as a number, or by nothing.
OPENIDS = st.builds(
    lambda head, middle, tail: head + middle + tail,
    head=st.sampled_from(["oAAAAA", "oAAAAB", "o_zZ09"]),
    middle=st.text("Az09-_", min_size=12, max_size=12) | st.sampled_from(["A" * 12, "z" * 12]),
    tail=st.sampled_from(["A" * 10, "A" * 9 + "B", "-" * 10, "_" * 10]),
)


@given(openids=st.lists(OPENIDS, min_size=1, max_size=60), length=st.sampled_from([1, 2, 7, 1000]))
def test_runs_give_each_openid_once_in_ascii_order_and_name_every_later_line(
    openids: list[str], length: int
) -> None:
    later: list[tuple[int, str]] = []

    def tell(lines: np.ndarray, ids: np.ndarray) -> None:
        later.extend(zip(lines.tolist(), (each.decode() for each in ids.tolist()), strict=True))

    rows = np.frombuffer("".join(openids).encode(), np.uint8).reshape(-1, LENGTH)
    with Runs(length=length, tell=tell) as runs:
        runs.add(rows, np.arange(1, len(openids) + 1))
        merged = b"".join(block.tobytes() for block in runs.merged()).decode()

    first: dict[str, int] = {}
    expected = []
    for line, each in enumerate(openids, 1):
        if first.setdefault(each, line) != line:
            expected.append((line, each))
    assert [merged[i : i + LENGTH] for i in range(0, len(merged), LENGTH)] == sorted(first)
    assert sorted(later) == expected
