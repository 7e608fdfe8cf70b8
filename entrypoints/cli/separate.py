"""Values that stand apart from their option: those that read as another option, and none at all.

With ``--text "$MSG" --json`` an unset ``$MSG`` makes ``--json`` the text, and Typer takes it. And
Typer has no option that may stand without a value: one whose metavar is in brackets is given
:data:`ALONE` where it does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from broadcast.errors import InputError

#: How a long option is written. One that the command lacks may be a misspelt one, and a text that
#: was sent cannot be called back; "--- News ---" and "-5" are no options.
_LONG: Final = re.compile(r"--[A-Za-z][A-Za-z0-9_-]{,40}(=.*)?", re.DOTALL)

#: The value of an option that stands without one. No argument of a process can hold it.
ALONE: Final = "\0"


def refuse_options(command: Any, context: Any, arguments: Sequence[str]) -> None:  # noqa: ANN401 - Typer keeps its classes private
    """Raise InputError if an option's separate value is, or reads as, an option."""
    options = _options(command, context)
    names = _names(options)
    taking = {name: one.nargs for one in options if _takes_value(one) for name in one.opts}
    help_at = f"{context.command_path} --help"
    for option, value in _separate(arguments, taking, interspersed=context.allow_interspersed_args):
        if _is_option(value, names):
            word = value.partition("=")[0]
            raise InputError("error.usage.value_is_option", option=option, value=word, help=help_at)


def refuse_repeated(command: Any, context: Any, arguments: Sequence[str]) -> None:  # noqa: ANN401
    """Raise InputError if an option that takes one value is given several times.

    Typer would take the last in silence.
    """
    _, _, given = command.make_parser(context).parse_args(args=list(arguments))
    for option in given:
        if option.param_type_name == "option" and not option.multiple and given.count(option) > 1:
            name = max(option.opts, key=len)
            help_at = f"{context.command_path} --help"
            raise InputError("error.usage.repeated", name=name, help=help_at)


def fill_in(command: Any, context: Any, arguments: Sequence[str]) -> list[str]:  # noqa: ANN401
    """Return *arguments*, in which every option has its value: :data:`ALONE` where there is none.

    For what :func:`refuse_options` let pass.
    """
    options = _options(command, context)
    names = _names(options)
    taking = {name: one.nargs for one in options if _takes_value(one) for name in one.opts}
    may_lack = {name for one in options if _may_lack_value(one) for name in one.opts}
    if not may_lack:
        return list(arguments)
    filled, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        alone = word in may_lack and (not rest or _is_option(rest[0], names))
        filled.append(f"{word}={ALONE}" if alone else word)
        if word == "--":
            return [*filled, *rest]
        values = 1 if word in may_lack and not alone else taking.get(_last(word, taking) or "", 0)
        filled += rest[:values]
        rest = rest[values:]
    return filled


def _options(command: Any, context: Any) -> list[Any]:  # noqa: ANN401
    return [p for p in command.get_params(context) if p.param_type_name == "option"]


def _names(options: Sequence[Any]) -> set[str]:
    return {name for option in options for name in (*option.opts, *option.secondary_opts)}


def _takes_value(option: Any) -> bool:  # noqa: ANN401
    return not (option.is_flag or option.count or _may_lack_value(option))


def _may_lack_value(option: Any) -> bool:  # noqa: ANN401
    return (option.metavar or "").startswith("[")


def _separate(
    arguments: Sequence[str], taking: dict[str, int], *, interspersed: bool
) -> Iterator[tuple[str, str]]:
    """Yield each option that has its value in the next words, with each of them."""
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            return
        if option := _last(word, taking):
            for _, value in zip(range(taking[option]), rest, strict=False):
                yield option, value
        elif not interspersed and not word.startswith("-"):
            return


def _last(word: str, taking: Collection[str]) -> str | None:
    """Return the option whose value is the next word; ``-yt`` is ``-y -t``."""
    if word in taking:
        return word
    short = [] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
    first = next((n for n, option in enumerate(short) if option in taking), None)
    # What follows an option in the same word is its value.
    return short[-1] if first is not None and first == len(short) - 1 else None


def _is_option(value: str, names: set[str]) -> bool:
    # A short one may have others, or its value, right behind it.
    return value == "--" or value[:2] in names or _LONG.fullmatch(value) is not None
