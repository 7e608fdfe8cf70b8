"""This version does to people what the version of COMMIT does, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.servers.proofs import PREFIX
from tests.shadow import comparing, story
from tests.shadow.side import Found, Side
from tests.shadow.versions import WORKING_TREE, Version, archived


def told(version: Version, folder: Path, acts: Sequence[Callable[[Side], None]]) -> Found:
    """Tell the story to a version; return what it did."""
    with Side(version, folder, hears_wechat=acts is story.LONG) as side:
        for act in acts:
            act(side)
        return comparing.collected(side)


def compare(folder: Path, acts: Sequence[Callable[[Side], None]]) -> list[str]:
    """Tell the story to both versions side by side; return where they differ."""
    old = archived(folder)
    with ThreadPoolExecutor(2) as threads:
        both = [
            threads.submit(told, old, folder / "old", acts),
            threads.submit(told, WORKING_TREE, folder / "new", acts),
        ]
        before, now = (one.result() for one in both)
    assert before.people, "nobody got anything"
    return comparing.differences(before, now, names=(old.name, WORKING_TREE.name))


@pytest.mark.timeout(900)
def test_people_keys_states_and_sets_are_those_of_the_version_before(tmp_path: Path) -> None:
    found = compare(tmp_path, story.SHORT)

    assert found == [], "\n".join(found)


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_they_are_wherever_workers_and_commands_die(tmp_path: Path) -> None:
    found = compare(tmp_path, story.LONG)

    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"people": {"a": {"doubled": 1}}}, "people: a: doubled: 0 in old, 1 in new"),
        ({"clientmsgids": {"a": {"k": ["o"]}}}, 'clientmsgids: a: k: ["o1"] in old, ["o"] in new'),
        ({"sets": {}}, 'sets: a: {"accepted": ["o1"]} in old, "nothing" in new'),
        ({"answers": {"pause a": 409}}, "answers: pause a: 200 in old, 409 in new"),
    ],
)
def test_each_difference_is_told_with_the_name_of_the_broadcast(
    now: dict[str, Any], told: str
) -> None:
    old = Found(
        people={"a": {"doubled": 0}},
        clientmsgids={"a": {"k": ["o1"]}},
        sets={"a": {"accepted": ["o1"]}},
        answers={"pause a": 200},
    )

    assert comparing.differences(old, old, names=("old", "new")) == []
    assert comparing.differences(old, replace(old, **now), names=("old", "new")) == [told]


def test_a_clone_without_that_commit_says_that_nothing_was_proved(
    tmp_path: Path,
) -> None:
    with pytest.raises(pytest.skip.Exception, match=rf"{PREFIX}.*git fetch --unshallow"):
        archived(tmp_path, "0" * 40)
