"""The command line's own mistakes, told with what was meant; and the defaults in the help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from entrypoints.cli import main
from entrypoints.cli.group import LazyGroup
from entrypoints.cli.listening import _reason
from tests.unit.views.reports import EN


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("send", "--txt", "a"), "--text"),
        (("send", "--openid", "a"), "--openids"),
        (("send", "--dryrun"), "--dry-run"),
        (("watch", "ID", "--untill", "accepted"), "--until"),
    ],
)
def test_a_misspelt_option_is_told_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], near: str
) -> None:
    assert main.run(words) == 2
    assert f"did you mean {near}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["stats"], "status"),
        (["token", "refersh"], "refresh"),
    ],
)
def test_a_misspelt_command_is_told_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], name: str
) -> None:
    assert main.run(words) == 2
    assert f"did you mean {name}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["quux"], "no command quux"),
        (["db"], "A command is missing"),
        (["watch", "ID", "two", "three"], "Unexpected on the command line: two three. Put a text"),
        (["send", "--text", "“你好", "世界”"], "The shell takes “ and ” for no quotes"),
        (["send", "——text", "你好"], "An option begins with two hyphens"),
        (["send", "--text"], "--text needs a value"),
        (["send", "--yes=1"], "--yes needs a value, or has one and takes none"),
    ],
)
def test_every_mistake_is_told_with_where_the_help_is(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main.run(words) == 2

    shown = capsys.readouterr().err
    assert told in shown
    assert shown.rstrip().endswith("--help`.")


def test_an_option_like_no_other_is_told_without_a_guess(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["send", "--quux"]) == 2
    assert "mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        (("watch", "ID", "--until", "foo"), ("accepted", "finished")),
        (("list", "--most", "abc"), ("1", "1000")),
        (("send", "--priority", "abc"), ("-100", "100")),
        (("send", "--priority", "1.5"), ("-100", "100")),
        (("send", "--priority", "101"), ("-100", "100")),
        (("send", "--priority", "-101"), ("-100", "100")),
    ],
)
def test_a_wrong_value_is_told_with_the_right_ones(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], choices: tuple[str, ...]
) -> None:
    assert main.run(words) == 2

    told = capsys.readouterr().err
    assert [choice for choice in choices if not re.search(rf"(?<!\w){choice}\b", told)] == []


@pytest.mark.parametrize("number", ["abc", "1.5", "", "0", "-5", str(2**63), "9" * 5000])
def test_a_number_that_no_msg_id_can_be_is_told_with_one_that_can_and_where_it_stands(
    capsys: pytest.CaptureFixture[str], number: str
) -> None:
    assert main.run(["resolve", "ID", "--batch", "1", "--sent", number]) == 2

    [told] = capsys.readouterr().err.splitlines()
    assert f"“{number[:40]}” is not a msg_id" in told
    for help_given in ("--sent takes", "3147483650", "MASSSENDJOBFINISH", "mp.weixin.qq.com"):
        assert help_given in told


@pytest.mark.parametrize("number", ["abc", "0", "-1", str(2**63)])
def test_a_number_that_no_batch_can_have_is_told_with_where_it_stands(
    capsys: pytest.CaptureFixture[str], number: str
) -> None:
    assert main.run(["resolve", "ID", "--batch", number, "--not-sent"]) == 2

    [told] = capsys.readouterr().err.splitlines()
    assert f"“{number}” is not a batch number" in told
    assert "--batch takes a number that `broadcast status ID` shows" in told


@pytest.mark.parametrize(
    ("command", "option", "default"),
    [
        ("simulator", "--port", "8765"),
        ("simulator", "--host", "127.0.0.1"),
        ("simulator", "--followers", "1000000"),
        ("simulator", "--latency-ms", "0"),
        ("list", "--most", "20"),
        ("send", "--priority", "0"),
        ("watch", "--until", "accepted"),
    ],
)
def test_the_help_shows_the_default(
    capsys: pytest.CaptureFixture[str], command: str, option: str, default: str
) -> None:
    main.run([command, "--help"])

    told = capsys.readouterr().out.partition("Examples")[0].splitlines()
    [line] = [one for one in told if option in one]
    assert line.rstrip().endswith(f". Default: {default}.")


def every_command(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command with its words, those of groups too."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield " ".join((*path, name)), command
        if hasattr(command, "list_commands"):
            yield from every_command(command, (*path, name))


COMMANDS = dict(every_command(LazyGroup(name="broadcast")))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_has_its_help_and_the_name_of_its_value(name: str) -> None:
    for parameter in COMMANDS[name].params:
        assert EN.has(parameter.help or "-"), parameter.name
        if parameter.param_type_name == "option" and not parameter.is_flag:
            ranged = getattr(parameter, "min", None) is not None
            assert parameter.metavar or ranged, parameter.name


def test_the_help_shows_no_default_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["pause", "--help"])

    assert "Default" not in capsys.readouterr().out


def test_a_busy_address_is_named_once() -> None:
    """Python's own words end with the address, which ours name already."""
    import errno

    taken = OSError(errno.EADDRINUSE, "Address already in use (while attempting to bind on …)")

    assert _reason(taken) == "Address already in use"


@pytest.mark.parametrize("length", ["0s", "59s", "367d", "soon"])
def test_a_lateness_that_cannot_be_asked_for_is_told_with_the_least_and_the_most(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setenv("WECHAT_APPID", "wx0123456789abcdef")
    monkeypatch.setenv("WECHAT_APPSECRET", "0123456789abcdef" * 2)
    words = ["send", "--openids", "a.txt", "--text", "a", "--late-by", length]
    assert main.run(words) == 2
    told = capsys.readouterr().err
    assert f"--late-by {length} is not valid: use a duration from 1m to 366d" in told
