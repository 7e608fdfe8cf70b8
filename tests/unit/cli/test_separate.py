"""An option's separate value that reads as an option is refused, in every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import typer

from broadcast.errors import InputError
from broadcast.views.texts import Texts
from entrypoints.cli import main
from entrypoints.cli.group import ALONE, COMMANDS, Command, LazyGroup
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Terminal


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


@pytest.fixture
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of command lines ask for each command; building it takes most of a run's time."""
    build, built = LazyGroup.get_command, dict[str, Any]()

    def get_command(group: LazyGroup, context: Any, name: str) -> Any:
        if name not in built:
            built[name] = build(group, context, name)
        return built[name]

    monkeypatch.setattr(LazyGroup, "get_command", get_command)


@pytest.mark.usefixtures("built_once")
def test_no_option_of_any_command_is_taken_for_the_value_of_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tried = 0
    for words, command in commands():
        own = [name for one in options(command) for name in one.opts]
        needing = [n for one in options(command) if _needs_value(one) for n in one.opts]
        # Commands have many options: each stands before three of them, all stand behind some.
        for place, option in enumerate(needing):
            three = (own[(place * len(own) // len(needing) + n) % len(own)] for n in range(3))
            for value in (*three, f"{own[0]}=x", f"{own[-1]}=x", "--", "--misspelt"):
                assert main.run([*words, option, value]) == 2

                [told] = capsys.readouterr().err.splitlines()
                assert f"{option}={value.partition('=')[0]} " in told
                assert f"broadcast {' '.join(words)} --help" in told
                tried += 1
    assert tried > 100


def _needs_value(option: Any) -> bool:
    return not option.is_flag and not (option.metavar or "").startswith("[")


def parsed(*words: str, command: str = "send") -> dict[str, Any]:
    called = LazyGroup(name="broadcast").get_command(None, command)
    run = Run(Terminal(Texts("en")))
    with called.make_context(command, list(words), obj=run) as context:
        return dict(context.params)


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (("--sent",), ALONE),
        (("--sent", "--why", "seen"), ALONE),
        (("--why", "seen", "--sent"), ALONE),
        (("--sent", "--json"), ALONE),
        (("--sent", "--not-sent"), ALONE),
        (("--sent", "123"), "123"),
        (("--sent=123",), "123"),
        (("--sent", "-5"), "-5"),
        (("--sent", ""), ""),
        (("--sent=",), ""),
        (("--sent", "123", "ID"), "123"),
        (("--why=--sent",), None),
    ],
)
def test_an_option_may_stand_without_its_value(words: tuple[str, ...], sent: str | None) -> None:
    given = parsed("--batch", "2", *words, command="resolve")

    assert given["sent"] == sent
    assert given["batch"] == "2"
    assert given["not_sent"] is ("--not-sent" in words)


@pytest.mark.parametrize("words", [("--why", "--sent"), ("--batch", "--sent")])
def test_an_option_that_may_stand_alone_is_no_value_of_another(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        parsed(*words, command="resolve")
    assert caught.value.message_id == "error.usage.value_is_option"


def test_a_misspelt_option_behind_one_that_may_stand_alone_is_no_msg_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["resolve", "--batch", "2", "--sent", "--not-snt"]) == 2
    assert "did you mean --not-sent?" in capsys.readouterr().err


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
        ("-t", "-y"),
        ("-t", "-n"),
        ("-t", "--no"),
        ("-t", "-yt"),
        ("--text", "-y"),
        ("-yt", "--yes"),
        ("-yt", "-tx"),
        ("x", "-t", "-y"),
    ],
)
def test_short_options_are_known_too(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        short().make_context("short", list(words))


@pytest.mark.parametrize(
    "words", [("-t-y",), ("-t", "-5"), ("-yt", "x"), ("-tt", "-y"), ("--", "-t", "-y")]
)
def test_what_only_looks_like_short_options_is_taken(words: tuple[str, ...]) -> None:
    with short().make_context("short", list(words)):
        pass
