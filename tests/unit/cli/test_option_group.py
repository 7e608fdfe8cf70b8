"""A group of options stands on the command line as its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from entrypoints.cli.group import OptionGroup, grouped


@dataclass(frozen=True, kw_only=True)
class Colours(OptionGroup):
    """Two options."""

    front: Annotated[str, typer.Option("--front")]
    back: Annotated[list[str] | None, typer.Option("--back")] = None


def run(*words: str) -> dict[str, Any]:
    got: dict[str, Any] = {}
    app = typer.Typer()

    @app.command()
    @grouped
    def paint(
        context: typer.Context,
        *,
        colours: Colours,
        twice: Annotated[bool, typer.Option("--twice")] = False,
    ) -> None:
        got.update(colours=colours, twice=twice, context=context)

    result = CliRunner().invoke(app, list(words))
    return got if result.exit_code == 0 else {"output": result.output}


def test_the_command_gets_the_group_as_one_value() -> None:
    got = run("--front", "red", "--back", "blue", "--back", "white", "--twice")
    assert got["colours"] == Colours(front="red", back=["blue", "white"])
    assert got["twice"] is True
    assert got["context"].command_path


def test_defaults_are_those_of_the_group() -> None:
    assert run("--front", "red")["colours"] == Colours(front="red", back=None)


def test_an_option_without_a_default_is_needed() -> None:
    assert "--front" in run()["output"]
