"""Who of an audience gets it: what was sent is counted at WeChat, what was not by its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.rules.reports import SKIPS
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.ledger.lists import suppressions
from tests.kit import follows
from tests.kit.endpoints import MASS_SEND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

#: They follow.
ALL = 40
TAGGED = 12
TEXT = ("--text", "您好，周五停机")


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Forty followers, of whom the last twelve have tag 2."""
    system = start_system(followers=ALL)
    appid = system.simulator.account.appid
    system.simulator.admin("POST", f"accounts/{appid}/tags/2", lines=people(system)[-TAGGED:])
    system.worker()
    system.beat()
    return system


def people(system: System) -> list[str]:
    return sorted(system.simulator.openids(ALL))


def file_of(system: System, name: str, openids: Iterable[str]) -> Path:
    file = system.folder / name
    file.write_text("".join(f"{one}\n" for one in openids), encoding="ascii")
    return file


def send(system: System, *words: str | Path, status: int = 0) -> dict[str, Any]:
    """Send and wait; return what the command shows."""
    done = system.broadcast(
        "send", *words, *TEXT, "--again", "--wait", "--json", timeout_s=120, status=status
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    figures = told["audience"]
    assert figures["read"] == figures["planned"] + sum(figures[name] for name in SKIPS)
    assert sum(told["recipients"].values()) == figures["planned"]
    return told


def got(system: System, openids: Sequence[str]) -> list[int]:
    """How often each of them got anything."""
    each = system.simulator.delivered(openids)
    return [each.get(one, 0) for one in openids]


def left_out(told: dict[str, Any]) -> dict[str, int]:
    return {name: told["audience"][name] for name in SKIPS if told["audience"][name]}


def suppress(system: System, openids: Sequence[str]) -> None:
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests", why="asked by phone")
    suppressions.suppress(system.engine, openids, word)


def test_of_a_list_nobody_gets_it_who_is_suppressed_excluded_or_got_another_broadcast(
    system: System,
) -> None:
    there = people(system)
    everybody = file_of(system, "all.txt", there)
    earlier = send(system, "--openids", file_of(system, "some.txt", there[:10]))
    suppress(system, there[8:13])

    told = send(
        system,
        "--openids",
        everybody,
        "--exclude",
        f"broadcast:{earlier['id']}",
        "--exclude",
        f"file:{file_of(system, 'out.txt', [*there[12:15], there[20]])}",
    )

    # Who is suppressed and excluded is counted once.
    assert left_out(told) == {"suppressed": 5, "excluded": 8 + 3}
    assert got(system, there) == [1] * 10 + [0] * 5 + [1] * 5 + [0] + [1] * 19
    skipped = system.broadcast("recipients", told["id"], "--set", "skipped").stdout
    assert all(one in skipped for one in [*there[:15], there[20]])


def test_a_sample_is_exact_and_the_same_key_draws_the_same(system: System) -> None:
    everybody = file_of(system, "all.txt", people(system))
    words = ("--openids", everybody, "--sample", "25%", "--key", "k")

    told = send(system, *words)
    first = got(system, people(system))
    again = system.broadcast("send", *words, *TEXT)

    assert (told["recipients"]["accepted"], left_out(told)) == (10, {"sampled_out": 30})
    assert sum(first) == 10
    assert told["id"] in again.stdout
    assert got(system, people(system)) == first
    # The others are reached by what the first one is excluded from.
    rest = send(system, "--openids", everybody, "--exclude", f"broadcast:{told['id']}")
    assert (rest["recipients"]["accepted"], left_out(rest)) == (30, {"excluded": 10})
    assert got(system, people(system)) == [1] * ALL


def test_suppressed_followers_get_it_where_that_is_said_and_it_is_kept_who_said_so(
    system: System,
) -> None:
    there = people(system)
    suppress(system, there[:5])

    told = send(system, "--openids", file_of(system, "all.txt", there), "--ignore-suppression")

    assert (told["recipients"]["accepted"], left_out(told)) == (ALL, {})
    assert got(system, there) == [1] * ALL


def test_an_audience_of_which_too_few_are_left_is_refused_and_nothing_is_sent(
    system: System,
) -> None:
    there = people(system)
    suppress(system, there[:6])
    for left, told in ((0, "Nobody is left"), (1, "Only one follower is left")):
        few = file_of(system, "few.txt", there[: 6 + left])

        refused = system.broadcast("send", "--openids", few, *TEXT, status=2)

        assert told in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert not system.simulator.mass_calls()


@pytest.mark.parametrize("words", [("--tag", "2"), ("--to-all", "--yes-to-all")])
def test_wechat_s_own_list_is_refused_while_anybody_is_suppressed(
    system: System, words: tuple[str, ...]
) -> None:
    suppress(system, people(system)[:1])

    refused = system.broadcast("send", *words, *TEXT, status=2)

    assert "--followers" in refused.stderr
    assert not system.simulator.mass_calls()
    told = json.loads(
        system.broadcast(
            "send", *words, *TEXT, "--ignore-suppression", "--wait", "--json"
        ).stdout.splitlines()[-1]
    )
    assert told["batches"]["accepted"] == 1


def test_a_tag_that_does_not_exist_is_refused_wherever_it_is_named(system: System) -> None:
    everybody = file_of(system, "all.txt", people(system))
    for words in (("--tag", "77"), ("--openids", everybody, "--exclude", "tag:77")):
        refused = system.broadcast("send", *words, *TEXT, status=2)

        assert "has no tag with the id 77" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert not system.simulator.mass_calls()


def test_who_has_a_tag_is_left_out_of_a_list(system: System) -> None:
    there = people(system)

    told = send(system, "--openids", file_of(system, "all.txt", there), "--exclude", "tag:2")

    assert left_out(told) == {"excluded": TAGGED}
    assert got(system, there) == [1] * (ALL - TAGGED) + [0] * TAGGED
    assert told["selection"] == {"exclude": ["tag:2"]}


def test_at_a_resume_who_asked_out_or_left_is_in_no_batch_that_was_not_called(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=ALL, BROADCAST_BATCH_SIZE="10")
    there = people(system)
    system.simulator.fault("errcode", errcode=45028, path=MASS_SEND, skip=1, count=1)
    system.worker()
    system.beat()
    told = send(system, "--openids", file_of(system, "all.txt", there), status=1)
    assert told["state"] == "paused"
    assert (told["recipients"]["accepted"], told["recipients"]["waiting"]) == (10, 30)
    # Two of the batch that was called, two of the next, and nine of the last.
    suppress(system, [*there[10:12], *there[20:22]])
    for one in there[30:39]:
        follows.left(system.engine, system.simulator.account.name, one, at=datetime.now(UTC))

    system.broadcast("resume", told["id"], "--yes")

    after = system.until_state(told["id"], "completed")
    assert got(system, there) == [1] * 20 + [0] * 2 + [1] * 8 + [0] * 9 + [1]
    assert left_out({"audience": after.audience}) == {"suppressed": 2, "unsubscribed": 9}
    assert after.recipients["accepted"] == ALL - 11
    assert [line.size for line in after.batch_list] == [10, 10, 9]


def test_our_list_of_followers_is_sent_to_without_who_left_or_asked_out(system: System) -> None:
    there = people(system)
    account = system.simulator.account.name
    # The account's row comes with its first broadcast.
    send(system, "--openids", file_of(system, "two.txt", there[:2]))
    follows.listed(system.engine, system.simulator.account.name, there[:-1])
    moment = datetime.now(UTC) + timedelta(seconds=5)
    follows.left(system.engine, account, there[5], at=moment)
    follows.followed(system.engine, account, there[-1], at=moment)
    suppress(system, there[6:8])

    told = send(system, "--followers")

    assert (told["audience"]["read"], left_out(told)) == (ALL - 1, {"suppressed": 2})
    assert told["to"] == {"followers": True}
    assert got(system, there) == [2] * 2 + [1] * 3 + [0] * 3 + [1] * (ALL - 8)

    told = send(system, "--followers", "--with-tag", "2", "--sample", "50%")

    assert (told["audience"]["read"], left_out(told)) == (TAGGED, {"sampled_out": TAGGED // 2})
    assert told["to"] == {"followers": True, "with_tag": 2}
    assert sum(got(system, there[:-TAGGED])) == 4 + 3 + (ALL - 8 - TAGGED)
    assert sum(got(system, there[-TAGGED:])) == TAGGED + TAGGED // 2


def test_followers_are_synced_then_sent_to(system: System) -> None:
    system.broadcast("followers", "sync")

    told = send(system, "--followers", "--exclude", "tag:2")

    assert (told["audience"]["read"], left_out(told)) == (ALL, {"excluded": TAGGED})
    assert got(system, people(system)) == [1] * (ALL - TAGGED) + [0] * TAGGED


def test_nobody_who_was_excluded_gets_it_by_way_of_a_cancel_before_the_plan(
    system: System,
) -> None:
    there = people(system)
    words = (
        "--openids",
        file_of(system, "all.txt", [*there, there[0], "no-openid"]),
        "--exclude",
        f"file:{file_of(system, 'out.txt', there[:10])}",
    )
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds")
    stored = system.broadcast("send", *words, *TEXT, "--at", at, "--json").stdout.splitlines()[-1]
    broadcast_id = json.loads(stored)["id"]
    system.broadcast("cancel", broadcast_id, "--yes")

    rest = system.broadcast("recipients", broadcast_id, "--set", "cancelled", status=2)
    told = send(system, *words)

    assert rest.stdout == ""
    assert "submit the same list again with the same exclusions" in rest.stderr
    assert (told["audience"]["read"], left_out(told)) == (
        ALL + 2,
        {"malformed": 1, "duplicate": 1, "excluded": 10},
    )
    assert got(system, there) == [0] * 10 + [1] * 30
