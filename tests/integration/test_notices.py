"""`notices list`, `retry` and `test`: what became of notices, and which addresses work."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from broadcast.rules.notices import receiver_of
from broadcast.rules.states import NoticeState
from entrypoints.cli.main import run
from models.ledger.boxes import notices, unreported
from tests.integration.models.test_notices import doubtful
from tests.kit import bots, ledger
from tests.kit.command_line import CommandLine

TOKEN = "0123456789abcdef"
INSIDE = {"BROADCAST_WEBHOOK_NETWORKS": "127.0.0.0/8"}


@pytest.fixture
def line(line: CommandLine) -> CommandLine:
    line.env["BROADCAST_LANG"] = "en"
    return line


def test_each_address_is_tried_and_its_answer_shown(line: CommandLine) -> None:
    with bots.bot("wecom") as good, bots.bot("feishu signed") as signed, bots.bot() as bad:
        bad.instead = b'{"errcode": 93000, "errmsg": "invalid webhook url"}'
        each = (good, signed, bad)
        line.env |= {"BROADCAST_NOTIFY": "，".join(bot.url for bot in each), **INSIDE}
        done = line.run("notices", "test")

    assert done.status == 1
    names = [receiver_of(bot.url).name for bot in each]
    assert done.out.splitlines() == [f"{names[0]}: confirmed", f"{names[1]}: confirmed"]
    assert done.err.startswith(f"Error: {names[2]}: the receiver did not confirm it: ")
    assert "93000" in done.err
    assert good.texts == ["[broadcast] A test: notices of broadcasts come here."]
    assert bots.KEY not in done.out + done.err
    assert bots.SECRET not in done.out + done.err


def test_the_secret_in_the_answer_of_a_bot_is_not_shown(line: CommandLine) -> None:
    with bots.bot() as bad:
        bad.instead = f'{{"errcode": 93000, "errmsg": "{bots.KEY.replace("-", "%2D")}"}}'.encode()
        line.env |= {"BROADCAST_NOTIFY": bad.url, **INSIDE}
        done = line.run("notices", "test")

    assert '{"errcode": 93000, "errmsg": "***"}' in done.err


def test_addresses_of_a_file_are_read_beside_comments_and_all_good_is_a_success(
    line: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "bots.txt"
    line.env |= {"BROADCAST_NOTIFY_FILE": str(file), **INSIDE}
    with bots.bot("slack") as slack, bots.bot("dingtalk signed") as dingtalk:
        file.write_text("# https://example.com/ of the colleagues\n")
        none = line.run("notices", "test")
        assert (none.status, len(none.lines)) == (2, 1)
        assert "No receiver of notices is set." in none.err
        file.write_text(f"# Shop\n{slack.url}\n\n  #Night\n{dingtalk.url}\n")

        assert line.run("notices", "test").status == 0
        assert len(slack.texts) == len(dingtalk.texts) == 1


@pytest.mark.parametrize("command", [("notices", "test"), ("up",)])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"oapi.dingtalk.com/robot/send?access_token={TOKEN}", "is not a URL such as"),
        (f"http://oapi.dingtalk.com/robot/send?access_token={TOKEN}", "does not begin with https"),
        (f"https://127.0.0.1/robot/send?access_token={TOKEN}", "leads to a private address"),
        (f"https://10.0.0.1/hook/{TOKEN}", "leads to a private address"),
        (f"https://[::1/hook/{TOKEN}", "is not a URL such as"),
        (f"https://me:{TOKEN}@example.com/hook", "has a user name or password"),
        (f"https://example.com/#{TOKEN}", "is not a URL such as"),
    ],
)
def test_an_address_that_is_none_is_refused_in_one_line_that_shows_nothing_of_it(
    line: CommandLine, command: tuple[str, ...], url: str, words: str
) -> None:
    line.env["BROADCAST_NOTIFY"] = f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k,{url}"
    refused = line.run(*command)

    assert (refused.status, len(refused.lines)) == (2, 1)
    assert f"BROADCAST_NOTIFY: address 2 {words}" in refused.err
    assert TOKEN not in refused.err


def test_no_address_two_places_and_a_file_that_is_not_there_are_named(line: CommandLine) -> None:
    none = line.run("notices", "test")
    assert (none.status, len(none.lines)) == (2, 1)
    assert "BROADCAST_NOTIFY" in none.err

    line.env["BROADCAST_NOTIFY_FILE"] = "/nowhere/bots"
    away = line.run("notices", "test")
    assert (away.status, len(away.lines)) == (2, 1)
    assert "/nowhere/bots" in away.err

    line.env["BROADCAST_NOTIFY"] = "https://example.com/x"
    twice = line.run("notices", "test")
    assert (twice.status, len(twice.lines)) == (2, 1)
    assert "BROADCAST_NOTIFY_FILE" in twice.err


def test_a_wrong_address_keeps_no_kill_switch_from_working(line: CommandLine) -> None:
    with line.ledger() as engine:
        ledger.ended(engine)
    line.env["BROADCAST_NOTIFY"] = "nonsense"

    assert line.run("halt", "--all", "--why", "test").status == 0


def test_what_was_given_up_is_listed_noted_by_status_and_sent_again(line: CommandLine) -> None:
    assert "BROADCAST_NOTIFY_FILE names their receivers" in line.run("notices", "list").out
    with line.ledger() as engine:
        unreported.register(engine, ["wecom:a.example:1", "slack:b.example:2"], alone=True)
        broadcast_id = ledger.ended(engine)
        unreported.report(engine)
        sent, lost = notices.newest(engine, list(NoticeState), 9)
        notices.record(engine, [sent], NoticeState.SENT, waits=Waits())
        problem = Message("notice.problem.unconfirmed", answer='{"errcode":93000}')
        notices.record(engine, [lost], NoticeState.GIVEN_UP, problem=problem, waits=Waits())

    newest, oldest = line.run("notices", "list").out.splitlines()
    assert newest.endswith(f" to {sent.receiver}: sent")
    assert f"broadcast {broadcast_id} has ended" in newest
    assert f"to {lost.receiver}: given up: the receiver did not confirm it: " in oldest
    first, last = line.run("notices", "list", "--json").json["notices"]
    assert (first["receiver"], first["state"], first["problem"]) == (sent.receiver, "sent", None)
    assert (first["notice"]["code"], last["state"]) == ("notice.ended", "given_up")
    assert f"broadcast {broadcast_id} has ended" in first["notice"]["text"]
    assert last["problem"]["code"] == problem.id
    assert (last["tries"], last["next_try_at"]) == (1, None)
    assert (
        "1 notice to people's chats was given up: broadcast notices list" in line.run("status").err
    )
    assert line.run("notices", "retry").out.startswith("1 notice will be sent again")
    assert "given up" not in line.run("notices", "list").out
    assert line.run("notices", "retry").out.startswith("0 notices will be sent again")


@pytest.mark.parametrize("named", [slice(None), slice(-6, None), "@last", "@open"])
def test_ack_takes_what_other_commands_take_for_a_broadcast(
    here: Engine, capsys: pytest.CaptureFixture[str], named: slice | str
) -> None:
    unreported.register(here, ["wecom:a:1"], alone=False)
    broadcast_id = doubtful(here)
    unreported.report(here)

    assert run(["ack", named if isinstance(named, str) else broadcast_id[named]]) == 0

    assert capsys.readouterr().out == "1 notice will not be sent again.\n"
    assert notices.newest(here, [NoticeState.WAITING], 9) == []


def test_ack_refuses_what_nobody_knows_and_takes_what_is_said_already(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = doubtful(here)

    assert [run(["ack", one]) for one in (broadcast_id, "default", "nosuch")] == [0, 0, 2]

    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"No notice about {one} is sent again." for one in (broadcast_id, "default")
    ]
    assert told.err.startswith("Error: Broadcast nosuch does not exist.")
