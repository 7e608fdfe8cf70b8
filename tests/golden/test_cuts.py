"""What goes to WeChat is, byte by byte, what is kept: five hundred broadcasts, really sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import combinations, kept
from tests.golden.sending import installation
from tests.servers.valkey import Valkey

FILE = "cuts.json"
#: `make test` sends each seventh of the combinations; `make prove` and `make golden` all of them.
EACH = 7


def test_every_content_meets_every_audience_and_every_batch_size() -> None:
    kinds = [
        (one.content["msgtype"], one.audience, one.batch_size) for one in combinations.all_of_them()
    ]
    contents, audiences, sizes = (set(values) for values in zip(*kinds, strict=True))

    assert {(content, audience) for content, audience, _ in kinds} == {
        (content, audience) for content in contents for audience in audiences
    }
    assert {(content, size) for content, _, size in kinds} == {
        (content, size) for content in contents for size in sizes
    }


def test_a_change_of_the_evidence_is_named() -> None:
    calls = [[2, "ab", "key"], [1, "cd", "key"]]
    was = {"state": "sent", "calls": calls, "no": 1}
    now = {"state": "sent", "calls": calls[::-1], "no": True}

    assert kept.differences("c001", was, was) == []
    assert kept.differences("c001", was, now) == [
        "c001.calls[1][1]: 2 -> 1",
        'c001.calls[1][2]: "ab" -> "cd"',
        "c001.calls[2][1]: 1 -> 2",
        'c001.calls[2][2]: "cd" -> "ab"',
        "c001.no: 1 -> true",
    ]


@pytest.mark.timeout(900)  # it takes long, so it begins early
@pytest.mark.prove
@pytest.mark.parametrize("group", range(combinations.GROUPS))
def test_every_batch_has_the_people_the_key_and_the_bytes_that_are_kept(
    tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    asked = combinations.group(group)
    sizes = {one.batch_size for one in asked}
    with installation(tmp_path, valkey, patch=monkeypatch, sizes=sorted(sizes)) as sender:
        cuts = sender.send(asked)
        turns = sender.turns(asked)

    kept.check(FILE, {**cuts, _turns(group): turns})


@pytest.mark.timeout(900)
def test_some_batches_have_the_people_the_key_and_the_bytes_that_are_kept(
    tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = combinations.all_of_them()[::EACH]
    sizes = {one.batch_size for one in asked}
    with installation(tmp_path, valkey, patch=monkeypatch, sizes=sorted(sizes)) as sender:
        kept.check(FILE, sender.send(asked))


def test_no_line_is_of_a_combination_that_is_gone() -> None:
    turns = {_turns(group) for group in range(combinations.GROUPS)}

    assert kept.names(FILE) == turns | {one.name for one in combinations.all_of_them()}


def _turns(group: int) -> str:
    return f"turns of group {group}"
