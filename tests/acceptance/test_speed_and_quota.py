"""What an operator sets and looks up at WeChat: the speed, the calls left, their clearing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.endpoints import MASS_SEND, MASS_SENDALL

if TYPE_CHECKING:
    import subprocess

    from tests.acceptance.conftest import StartSystem
    from tests.kit.command_line import CommandLine
    from tests.kit.system import System

PREVIEW = "/cgi-bin/message/mass/preview"
SPEED_SET = "/cgi-bin/message/mass/speed/set"
CLEAR = "/cgi-bin/clear_quota"


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Some followers; nobody sends."""
    return start_system(followers=4)


def object_of(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def test_the_speed_is_shown_as_wechat_has_it_and_set(system: System) -> None:
    assert "speed 0 of 0 (fastest)" in system.broadcast("speed", "get").stdout

    told = object_of(system.broadcast("speed", "set", "3", "--json"))

    assert (told["speed"], told["error"]) == (3, None)
    # The same without the word "get".
    seen = object_of(system.broadcast("speed", "--json"))
    assert (seen["speed"], seen["followers_a_minute"]) == (3, 300_000)


def test_a_speed_that_the_administrator_has_to_confirm_is_unchanged_and_says_so(
    system: System,
) -> None:
    system.simulator.fault("errcode", errcode=89504, path=SPEED_SET, when="before", count=1)

    done = system.broadcast("speed", "set", "3", "--json", status=1)

    assert "the speed is unchanged" in done.stderr
    assert "broadcast explain 89504" in done.stderr
    assert "89504" in object_of(done)["error"]
    system.simulator.fault("drop", when="before", path=SPEED_SET, count=1)
    assert object_of(system.broadcast("speed", "set", "3", "--json", status=3))["error"]
    assert object_of(system.broadcast("speed", "get", "--json"))["speed"] == 0


def test_a_speed_out_of_range_and_an_odd_interface_are_refused_with_what_there_is(
    line: CommandLine,
) -> None:
    for words, says in (
        (("speed", "set", "5"), "0 (800,000)"),
        (("speed", "set", "fast"), "“fast” is no speed"),
        (("speed", "set", "²"), "is no speed"),
        (("quota", "clear", "--interface", "https://x"), "is no interface of WeChat"),
        (("quota", "--account", "default", "clear"), "clear"),
    ):
        done = line.run(*words)
        assert says in done.err
        assert (done.status, len(done.lines)) == (2, 1)
    assert "bc_hand_calls" not in line.rows()


def test_the_calls_of_each_interface_are_shown_and_what_wechat_does_not_count_is_named(
    system: System,
) -> None:
    system.simulator.change_account(daily_limit=100, used_today={MASS_SEND: 7, PREVIEW: 40})
    system.simulator.set_switches(unlisted_daily_limit=None)

    done = system.broadcast("quota", "--json")

    told = object_of(done)
    assert (told["daily_limit"], told["used"], told["remain"]) == (100, 7, 93)
    by_path = {one["path"]: one for one in told["interfaces"]}
    assert by_path[PREVIEW]["remain"] == 60
    assert by_path[MASS_SENDALL]["remain"] is not None
    assert told["messages"] == {"period": "month", "sent_here": 0, "in_doubt": 0, "limit": 4}
    assert told["clears_this_month"] == 0
    assert "message/mass/preview: 60 calls left, of 100; used 40" in done.stderr
    uncounted = [one["path"] for one in told["interfaces"] if one["remain"] is None]
    assert "/cgi-bin/message/mass/get" in uncounted
    assert all(path.removeprefix("/cgi-bin/") in done.stderr for path in uncounted)


def test_one_sum_says_for_how_many_followers_the_calls_are_enough(system: System) -> None:
    system.simulator.change_account(daily_limit=100, used_today={MASS_SEND: 7})

    shared = system.broadcast("quota").stdout
    system.simulator.set_switches(mass_quota_shared=False)
    apart = system.broadcast("quota").stdout

    assert "93 calls left today, enough for 930,000 followers" in shared
    assert "lists, tags and sends to everybody share 100" in shared
    assert "message/mass/sendall" not in shared
    # What WeChat counts outweighs the setting.
    assert "mass/send allows 100, used 7" in apart
    assert "message/mass/sendall: 100 calls left" in apart


def test_messages_to_everybody_are_counted_apart_from_calls(system: System) -> None:
    simulator = system.simulator
    tagged = simulator.openids(2)
    simulator.admin("POST", f"accounts/{simulator.account.appid}/tags/2", lines=tagged)
    system.worker()
    system.broadcast("send", "--to-all", "--yes-to-all", "--text", "您好", "--wait")
    system.broadcast("send", "--tag", "2", "--text", "您好", "--wait")

    told = object_of(system.broadcast("quota", "--json"))

    assert told["messages"] == {"period": "month", "sent_here": 1, "in_doubt": 0, "limit": 4}


def test_a_clearing_gives_the_calls_back_and_the_ten_of_a_month_are_counted(
    system: System,
) -> None:
    system.simulator.change_account(used_today={PREVIEW: 100})
    one = system.simulator.openids(1)[0]
    system.broadcast("preview", "--text", "a", "--to", one, status=2)

    told = object_of(system.broadcast("quota", "clear", "--why", "urgent", "--json"))

    assert (told["result"], told["clears_this_month"]) == ("cleared", 1)
    system.broadcast("preview", "--text", "a", "--to", one)
    cleared = system.broadcast("quota", "clear", "--interface", "message/mass/preview")
    assert "the calls of /cgi-bin/message/mass/preview are cleared" in cleared.stdout
    assert object_of(system.broadcast("quota", "--json"))["clears_this_month"] == 2

    system.simulator.fault("errcode", errcode=48006, path=CLEAR, count=1)
    refused = system.broadcast("quota", "clear", "--json", status=1)
    assert object_of(refused)["result"] == "refused"
    assert "48006" in object_of(refused)["error"]
    assert object_of(refused)["clears_this_month"] == 2
    assert "10 quota clearings are used up" in refused.stderr


def test_after_ten_clearings_wechat_is_not_even_asked(system: System) -> None:
    system.simulator.set_switches(clears_per_month=99)
    for _ in range(10):
        system.broadcast("quota", "clear", "--interface", PREVIEW)

    done = system.broadcast("quota", "clear", status=2)

    assert "10 times this month" in done.stderr
    assert system.simulator.calls(path=CLEAR) == []


def test_calls_are_cleared_without_a_token_where_those_for_tokens_are_used_up(
    system: System,
) -> None:
    for path in ("/cgi-bin/token", "/cgi-bin/stable_token"):
        system.simulator.fault("errcode", errcode=45009, path=path)

    told = object_of(system.broadcast("quota", "clear", "--json"))

    assert told["result"] == "cleared"
    assert [call["errcode"] for call in system.simulator.calls(path=f"{CLEAR}/v2")] == [0]


def test_a_clearing_whose_reply_is_lost_counts_and_is_not_repeated(system: System) -> None:
    system.simulator.fault("drop", when="after", path=CLEAR, count=1)

    told = object_of(system.broadcast("quota", "clear", "--json", status=3))

    assert (told["result"], told["clears_this_month"]) == ("unknown", 1)
    assert len(system.simulator.calls(path=CLEAR)) == 1
