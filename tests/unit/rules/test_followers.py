"""What is known of followers after pages and pushes, held against what happened to each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broadcast.rules.followers import (
    FACTS,
    FOLLOWS,
    LEFT_SAID,
    SINCE_SAID,
    Changes,
    FollowerFacts,
    Pass,
    Seen,
    merged,
    nobody_seen,
    nothing_known,
)

BEGAN, ENDED = 1_000, 2_000


def openid(n: int) -> bytes:
    return b"o%027d" % n


def ids(numbers: list[int]) -> np.ndarray:
    return np.array([openid(n) for n in numbers], "S28")


def pushes(said: dict[int, tuple[int, int]]) -> Changes:
    """Return pushes by person: when they subscribed, when they left; 0 is never."""
    order = sorted(said)
    return Changes(
        ids=ids(order),
        followed=np.array([said[n][0] for n in order], np.uint32),
        left=np.array([said[n][1] for n in order], np.uint32),
    )


def seen(*pages: tuple[int, list[int]]) -> Seen:
    """Return pages: when each was asked for, and whom it lists."""
    return Seen(
        ids=ids([n for _, page in pages for n in sorted(page)]),
        at=np.array([at for at, page in pages for _ in page], np.uint32),
    )


def known(*people: tuple[int, int, int, int]) -> FollowerFacts:
    """Return what is known: (who, since, as of, flags) each."""
    return FollowerFacts(
        ids=ids([n for n, *_ in people]), facts=np.array([tuple(f) for _, *f in people], FACTS)
    )


def shown(found: FollowerFacts) -> dict[int, tuple[int, int, int]]:
    return {
        int(one[1:]): (int(facts["since"]), int(facts["as_of"]), int(facts["flags"]))
        for one, facts in zip(found.ids.tolist(), found.facts, strict=True)
    }


WHOLE = Pass(began=BEGAN, ended=ENDED)


def test_whom_a_page_lists_follows_since_then_and_whom_it_does_not_has_left_at_the_end() -> None:
    before = known((1, 5, 500, FOLLOWS), (2, 5, 500, FOLLOWS | SINCE_SAID))

    found = shown(merged(before, pushes({}), seen=seen((1_100, [1, 3])), whole=WHOLE))

    assert found == {
        1: (5, 1_100, FOLLOWS),
        2: (5, ENDED, SINCE_SAID),
        3: (1_100, 1_100, FOLLOWS),
    }


def test_an_incomplete_pass_concludes_of_nobody_that_they_left() -> None:
    before = known((1, 5, 500, FOLLOWS))

    assert merged(before, pushes({}), seen=nobody_seen()).follow.all()
    assert not merged(before, pushes({}), seen=nobody_seen(), whole=WHOLE).follow.any()


def test_who_subscribed_since_the_pass_began_follows_though_no_page_lists_them() -> None:
    before = known((1, 5, 500, FOLLOWS))
    late, early = {1: (BEGAN + 1, BEGAN), 2: (BEGAN - 10, 0)}, {3: (BEGAN - 100, 0)}

    found = merged(before, pushes(late | early), seen=nobody_seen(), whole=WHOLE)

    assert found.follow.tolist() == [True, True, False]


def test_who_left_after_the_page_that_lists_them_has_left_and_who_left_before_it_came_back() -> (
    None
):
    said = {1: (0, 1_500), 2: (0, 900), 3: (0, 1_100)}

    found = shown(merged(nothing_known(), pushes(said), seen=seen((1_100, [1, 2, 3]))))

    assert found[1] == (1_100, 1_500, LEFT_SAID)
    assert found[2] == (1_100, 1_100, FOLLOWS)
    assert found[3] == (1_100, 1_100, LEFT_SAID)


def test_of_doubled_pages_the_last_one_counts() -> None:
    found = merged(
        nothing_known(), pushes({1: (0, 1_150)}), seen=seen((1_100, [1, 2]), (1_200, [1]))
    )

    assert shown(found) == {1: (1_200, 1_200, FOLLOWS), 2: (1_100, 1_100, FOLLOWS)}


def test_a_late_push_tells_since_when_somebody_follows() -> None:
    before = known((1, 500, 900, FOLLOWS), (2, 500, 900, FOLLOWS), (3, 300, 900, FOLLOWS | 2))

    found = shown(
        merged(before, pushes({1: (400, 0), 2: (400, 450), 3: (200, 0)}), seen=nobody_seen())
    )

    assert found[1] == (400, 900, FOLLOWS | SINCE_SAID)
    assert found[2] == (500, 900, FOLLOWS)
    assert found[3] == (300, 900, FOLLOWS | SINCE_SAID)


@dataclass
class Person:
    """What happened to one person at WeChat, second by second."""

    moments: list[int]

    def follows_at(self, second: int) -> bool:
        """They come and go in turn, beginning with a subscription."""
        return sum(moment <= second for moment in self.moments) % 2 == 1


LIVES = st.lists(
    st.lists(st.integers(1, 3_000), max_size=6, unique=True).map(sorted).map(Person),
    min_size=1,
    max_size=8,
)


@given(lives=LIVES, page=st.integers(BEGAN, ENDED), known_to=st.integers(0, 900))
def test_with_all_pushes_the_list_is_right_whatever_happened(
    lives: list[Person], page: int, known_to: int
) -> None:
    def told(before: int, since: int = 0) -> Changes:
        each = {}
        for n, life in enumerate(lives):
            came = [m for m in life.moments[0::2] if since <= m <= before]
            went = [m for m in life.moments[1::2] if since <= m <= before]
            if came or went:
                each[n] = max(came, default=0), max(went, default=0)
        return pushes(each)

    old = merged(nothing_known(), told(known_to), seen=nobody_seen())
    # A page lists who follows just before it was asked for.
    listed = [n for n, life in enumerate(lives) if life.follows_at(page - 1)]
    found = merged(old, told(3_000, since=known_to), seen=seen((page, listed)), whole=WHOLE)
    again = merged(found, told(3_000), seen=nobody_seen())

    for result in (found, again):
        now = {int(one[1:]) for one in result.ids[result.follow].tolist()}
        assert now == {n for n, life in enumerate(lives) if life.follows_at(3_000)}
