"""An option's separate value that reads as an option is refused, in every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import typer

from broadcast.errors import InputError
from cli import main
from cli.group import COMMANDS, Command, LazyGroup


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the words that call each command, and the command."""
    root = LazyGroup(name="broadcast")
    for name in COMMANDS:
        command = root.get_command(None, name)
        yield (name,), command
        for sub in getattr(command, "commands", {}):
            yield (name, sub), command.commands[sub]


def options(command: Any) -> list[Any]:
    context = command.context_class(command)
    return [p for p in command.get_params(context) if p.param_type_name == "option"]


def test_no_option_of_any_command_is_taken_for_the_value_of_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tried = 0
    for words, command in commands():
        own = [name for one in options(command) for name in one.opts]
        for option in (n for one in options(command) if not one.is_flag for n in one.opts):
            for value in (*own, *(f"{name}=x" for name in own), "--", "--misspelt"):
                assert main.run([*words, option, value]) == 2

                [told] = capsys.readouterr().err.splitlines()
                assert f"{option}={value.partition('=')[0]} " in told
                assert f"broadcast {' '.join(words)} --help" in told
                tried += 1
    assert tried > 100


def parsed(*words: str) -> dict[str, Any]:
    command = LazyGroup(name="broadcast").get_command(None, "send")
    with command.make_context("send", list(words)) as context:
        return dict(context.params)


@pytest.mark.parametrize("text", ["--wait", "--json", "--misspelt", "--key=a", "--"])
def test_a_value_behind_the_equals_sign_is_meant(text: str) -> None:
    given = parsed(f"--text={text}")

    assert (given["text"], given["wait"], given["as_json"]) == ([text], False, False)


@pytest.mark.parametrize(
    "text", ["-", "-5", "- one", "--- News ---", "-- a", "--wait for it", "---", "--好", ""]
)
def test_a_value_that_no_option_can_be_stands_apart(text: str) -> None:
    assert parsed("--text", text)["text"] == [text]


def test_a_number_below_zero_stands_apart() -> None:
    assert parsed("--priority", "-5")["priority"] == -5


def test_a_switch_and_an_option_follow_a_value() -> None:
    given = parsed("--text", "a", "--wait", "--key", "k")

    assert (given["text"], given["wait"], given["key"]) == (["a"], True, "k")


def short() -> Any:
    app = typer.Typer()

    @app.command(cls=Command)
    def _command(
        *,
        _text: Annotated[str, typer.Option("--text", "-t")] = "",
        _yes: Annotated[bool, typer.Option("--yes/--no", "-y/-n")] = False,
        _rest: Annotated[list[str] | None, typer.Argument()] = None,
    ) -> None: ...

    return typer.main.get_command(app)


@pytest.mark.parametrize(
    "words",
    [
        ("-t", "-y"), ("-t", "-n"), ("-t", "--no"), ("-t", "-yt"), ("--text", "-y"),
        ("-yt", "--yes"), ("-yt", "-tx"), ("x", "-t", "-y"),
    ],
)  # fmt: skip
def test_short_options_are_known_too(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        short().make_context("short", list(words))


@pytest.mark.parametrize(
    "words", [("-t-y",), ("-t", "-5"), ("-yt", "x"), ("-tt", "-y"), ("--", "-t", "-y")]
)
def test_what_only_looks_like_short_options_is_taken(words: tuple[str, ...]) -> None:
    with short().make_context("short", list(words)):
        pass
