"""Followers synced by the real command from the stand-in: exact, whatever interrupts it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from broadcast import openid
from models.ledger.followers import follower_changes, follower_syncs, followers
from tests.acceptance.test_large_audience import MB, MEASURED, MOST_PEAK_BYTES
from tests.kit.openids import split
from tests.kit.processes import RunningProcess
from tests.kit.wait import until
from tests.servers.fixtures import DATABASES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

USER_GET = "/cgi-bin/user/get"
BATCHGET = "/cgi-bin/user/info/batchget"
DAY_S = 86_400
COMMAND = (str(Path(sys.executable).parent / "broadcast"), "followers", "sync")


def names(pieces: Iterable[bytes]) -> list[str]:
    return [one for piece in pieces for one in split(openid.unpack(piece))]


def told(system: System, *words: str, status: int = 0, timeout_s: float = 120) -> dict[str, Any]:
    done = system.broadcast(*words, "--json", status=status, timeout_s=timeout_s)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def calls(system: System) -> int:
    return len(system.simulator.calls(path=USER_GET))


def killed_after_a_page(system: System, *, n: int) -> None:
    """Start a sync and kill it, as a machine does that loses its power, once a page is stored."""
    there = follower_syncs.under_way(system.engine, "default")
    pages = 0 if there is None else there.pages
    with RunningProcess(
        [*COMMAND], log=system.folder / f"sync{n}.log", env=system.env, cwd=system.folder
    ) as process:

        def stored() -> bool:
            now = follower_syncs.under_way(system.engine, "default")
            return (now is not None and now.pages > pages) or process.exit_status is not None

        until(stored, 120, "a page")
        process.kill()


MOST_S = 1800


@pytest.mark.timeout(2 * MOST_S + 600)
@pytest.mark.parametrize(
    ("count", "kills", "database_url"),
    [(60_000, 2, "sqlite")]
    + [pytest.param(5_000_000, 5, name, marks=pytest.mark.prove) for name in DATABASES],
    indirect=["database_url"],
)
def test_a_sync_that_is_killed_goes_on_and_ends_exact_in_bounded_memory(
    # The database before the system: it is there until the system has ended.
    database_url: str,
    start_system: StartSystem,
    count: int,
    kills: int,
) -> None:
    system = start_system(
        followers=count, latency_ms=0 if count > MB else 100, database_url=database_url
    )
    simulator = system.simulator
    simulator.change_account(daily_limits={USER_GET: 10_000})
    everybody = simulator.openids(count)
    guests = [f"oGUEST{n:022d}" for n in range(2_000)]
    simulator.add_followers(guests)

    for n in range(kills):
        killed_after_a_page(system, n=n)
    # Somebody whose page came leaves, and one whose page is to come; both are found out next time.
    simulator.remove_followers([everybody[5], everybody[-5]])
    with RunningProcess(
        [sys.executable, "-c", MEASURED, *COMMAND, "--json"],
        log=system.folder / "sync.log",
        env=system.env,
        cwd=system.folder,
    ) as last:
        status = last.wait(timeout_s=MOST_S)
    print(last.output)

    assert status == 0, last.output
    assert "Going on after page" in last.output
    assert int(last.output.rsplit("peak ", 1)[1].split()[0]) < MOST_PEAK_BYTES
    # A call whose page was not stored is the most that a kill costs.
    assert calls(system) <= (count + len(guests)) // 10_000 + 2 + kills
    now = names(followers.current(system.engine, "default"))
    assert now == sorted({*everybody, *guests} - {everybody[-5]})
    assert told(system, "followers", "sync", timeout_s=MOST_S)["complete"]
    left = [everybody[5]]
    assert names(followers.left(system.engine, "default")) == left
    assert told(system, "followers", "status")["followers"] == count + len(guests) - 2


def test_without_enough_calls_it_says_so_first_and_goes_on_the_next_day(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=50)
    simulator = system.simulator
    simulator.set_switches(followers_page=10)
    everybody = simulator.openids(50)
    told(system, "followers", "sync")
    simulator.shift_clock(DAY_S)
    simulator.change_account(daily_limits={USER_GET: 3})
    simulator.remove_followers(everybody[:2])

    first = system.broadcast("followers", "sync", "--json", status=1)

    assert "it cannot finish today" in first.stderr
    assert first.stderr.index("cannot finish today") < first.stderr.index("No calls of user/get")
    shown = json.loads(first.stdout.splitlines()[-1])
    assert shown["under_way"] == {**shown["under_way"], "pages": 3, "listed": 30, "total": 48}
    # An incomplete pass has shown nobody as left.
    assert shown["followers"] == 50
    assert not names(followers.left(system.engine, "default"))
    again = system.broadcast("followers", "sync", status=1)
    assert "No calls of user/get are left today" in again.stdout
    simulator.shift_clock(2 * DAY_S)
    before = calls(system)
    done = told(system, "followers", "sync")
    assert (done["followers"], done["complete"], done["under_way"]) == (48, True, None)
    assert calls(system) - before <= 3
    assert names(followers.left(system.engine, "default")) == sorted(everybody[:2])


def test_it_goes_on_beside_whatever_wechat_answers(start_system: StartSystem) -> None:
    system = start_system(followers=45)
    simulator = system.simulator
    simulator.set_switches(followers_page=10)
    # The one after whom the second page begins is unknown to WeChat by now; a page is lost on its
    # way, and one comes late.
    simulator.fault("errcode", path=USER_GET, errcode=40003, when="before", skip=1)
    simulator.fault("drop", path=USER_GET, skip=3)
    simulator.fault("errcode", path=USER_GET, errcode=-1, skip=4)
    simulator.invalidate_token()

    done = told(system, "followers", "sync")

    assert done["followers"] == 45
    assert names(followers.current(system.engine, "default")) == sorted(simulator.openids(45))


def test_with_details_whoever_is_on_no_page_is_asked_about_before_they_count_as_left(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=250)
    simulator = system.simulator
    everybody = simulator.openids(250)
    told(system, "followers", "sync")
    simulator.shift_clock(3600)
    simulator.remove_followers(everybody[:120])

    done = told(system, "followers", "sync", "--details")

    assert done["followers"] == 130
    # 120 who may have left, and then since when the others follow.
    assert len(simulator.calls(path=BATCHGET)) == 2 + 2
    assert done["details"] == {"people": 130, "dated": 130, "left": 0}
    person = told(system, "follower", everybody[0])
    assert (person["follows"], person["suppressed"], person["broadcasts"]) == (False, [], [])


def test_since_when_each_follower_follows_is_asked_as_far_as_the_days_calls_go(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=1_250)
    simulator = system.simulator
    everybody = simulator.openids(1_250)
    system.broadcast("followers", "details", status=2)
    told(system, "followers", "sync")
    simulator.change_account(daily_limits={BATCHGET: 11})
    simulator.fault("drop", path=BATCHGET, skip=2)

    first = system.broadcast("followers", "details", "--json", status=1)

    assert "13 calls of user/info/batchget to go, 11 left today: it cannot" in first.stderr
    # One answer was lost on its way, and asked for again.
    shown = json.loads(first.stdout.splitlines()[-1])
    error = shown.pop("error")
    assert shown == {"account": "default", "people": 1_000, "dated": 1_000, "left": 250}
    assert " ".join(error.split()) in " ".join(first.stderr.split())
    # The simulator's generated followers came one a second, from the first second of 2020 on.
    dates = [told(system, "follower", everybody[n])["since"] for n in (0, 17)]
    assert dates == ["2020-01-01T00:00:00.000Z", "2020-01-01T00:00:17.000Z"]
    simulator.shift_clock(DAY_S)
    before = len(simulator.calls(path=BATCHGET))
    done = told(system, "followers", "details")
    assert (done["people"], done["dated"], done["left"]) == (250, 250, 0)
    assert len(simulator.calls(path=BATCHGET)) - before == 3
    assert told(system, "followers", "details")["people"] == 0


def test_a_run_that_asks_since_when_and_is_killed_asks_nobody_again(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=3_000, latency_ms=20)
    told(system, "followers", "sync")
    there = followers.newest(system.engine, "default")
    assert there is not None

    def undated() -> int:
        return sum(
            len(one.ids) for one in follower_changes.everybody_without_details(system.engine, there)
        )

    with RunningProcess(
        [*COMMAND[:-1], "details"],
        log=system.folder / "details.log",
        env=system.env,
        cwd=system.folder,
    ) as process:
        until(lambda: undated() < 3_000, 120, "some answers")
        process.kill()
    left = undated()

    done = told(system, "followers", "details")

    assert 0 < left < 3_000
    assert (done["people"], undated()) == (left, 0)


def test_one_person_s_broadcasts_and_suppressions_are_shown(start_system: StartSystem) -> None:
    system = start_system(followers=30)
    system.worker()
    everybody = system.simulator.openids(30)
    told(system, "followers", "sync")
    sent = system.send(everybody, "--wait")["id"]
    anna = everybody[3]
    system.broadcast("suppress", "add", anna, "--why", "投诉")

    person = told(system, "follower", anna)

    assert person["follows"]
    assert [(one["id"], one["batch"], one["state"]) for one in person["broadcasts"]] == [
        (sent, 1, person["broadcasts"][0]["state"])
    ]
    assert person["broadcasts"][0]["state"] in {"accepted", "finished"}
    assert [(one["kind"], one["why"]) for one in person["suppressed"]] == [("person", "投诉")]
    shown = system.broadcast("follower", anna).stdout
    assert "Follows; first listed" in shown
    assert sent in shown
