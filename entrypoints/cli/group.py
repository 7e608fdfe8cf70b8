"""The map of the commands; and values that stand apart from their option.

A value may read as another option, or be missing.

With ``--text "$MSG" --json`` an unset ``$MSG`` makes ``--json`` the text, and Typer takes it. And
Typer has no option that may stand without a value: one whose metavar is in brackets is given
:data:`ALONE` where it does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import wraps
from importlib import import_module
from inspect import Parameter, Signature, signature
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, Final, TypeVar, cast, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from broadcast.data_files import rows
from broadcast.errors import InputError

#: How a long option is written. One that the command lacks may be a misspelt one, and a text that
#: was sent cannot be called back; "--- News ---" and "-5" are no options.
_LONG: Final = re.compile(r"--[A-Za-z][A-Za-z0-9_-]{,40}(=.*)?", re.DOTALL)

#: The value of an option that stands without one. No argument of a process can hold it.
ALONE: Final = "\0"


class _Words:
    """The words behind a command, by the options that it has."""

    def __init__(self, command: Any, context: Any) -> None:
        options = [p for p in command.get_params(context) if p.param_type_name == "option"]
        self._context = context
        self._names = {name for one in options for name in (*one.opts, *one.secondary_opts)}
        self._may_lack = {n for one in options if _may_lack_value(one) for n in one.opts}
        #: How many of the next words each option takes.
        self._taking = {
            name: one.nargs
            for one in options
            if not (one.is_flag or one.count or _may_lack_value(one))
            for name in one.opts
        }

    def refuse_options(self, arguments: Sequence[str]) -> None:
        """Raise InputError if an option's separate value is, or reads as, an option."""
        for option, value in self._separate(arguments):
            if self._is_option(value):
                raise InputError(
                    "error.usage.value_is_option",
                    option=option,
                    value=value.partition("=")[0],
                    help=help_at(self._context),
                )

    def filled_in(self, arguments: Sequence[str]) -> list[str]:
        """Return words in which every option has its value: :data:`ALONE` where there is none.

        For what :meth:`refuse_options` let pass.
        """
        filled, rest = [], list(arguments)
        while rest:
            word = rest.pop(0)
            may_lack = word in self._may_lack
            alone = may_lack and (not rest or self._is_option(rest[0]))
            filled.append(f"{word}={ALONE}" if alone else word)
            if word == "--":
                return [*filled, *rest]
            taken = self._taking.get(self._last(word) or "", 0)
            values = 1 if may_lack and not alone else taken
            filled += rest[:values]
            rest = rest[values:]
        return filled

    def _separate(self, arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield each option that has its value in the next words, with each of them."""
        rest = iter(arguments)
        for word in rest:
            if word == "--":
                return
            if option := self._last(word):
                for _, value in zip(range(self._taking[option]), rest, strict=False):
                    yield option, value
            elif not self._context.allow_interspersed_args and not word.startswith("-"):
                return

    def _last(self, word: str) -> str | None:
        """Return the option whose value is the next word; ``-yt`` is ``-y -t``."""
        if word in self._taking:
            return word
        short = [] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
        first = next((n for n, option in enumerate(short) if option in self._taking), None)
        # What follows an option in the same word is its value.
        return short[-1] if first is not None and first == len(short) - 1 else None

    def _is_option(self, value: str) -> bool:
        # A short one may have others, or its value, right behind it.
        return value == "--" or value[:2] in self._names or _LONG.fullmatch(value) is not None


def _may_lack_value(option: Any) -> bool:
    return (option.metavar or "").startswith("[")


def _refuse_repeated(command: Any, context: Any, arguments: Sequence[str]) -> None:
    """Raise InputError if an option that takes one value is given several times.

    Typer would take the last in silence.
    """
    _, _, given = command.make_parser(context).parse_args(args=list(arguments))
    for option in given:
        if option.param_type_name == "option" and not option.multiple and given.count(option) > 1:
            name = max(option.opts, key=len)
            raise InputError("error.usage.repeated", name=name, help=help_at(context))


#: In the order of the help: of which subject each command is, in which module it is, and whether it
#: changes nothing: who reads it may leave early. A module has a Typer ``app`` with its commands.
#: What a command is for is the text :func:`help_id` of its name, so that the help of all of them
#: imports none.
_COMMANDS: Final = rows(__file__, "commands.csv")
COMMANDS: Final = {row["command"]: f"entrypoints.cli.commands.{row['module']}" for row in _COMMANDS}
SUBJECTS: Final = {
    subject: [row["command"] for row in of_subject]
    for subject, of_subject in groupby(_COMMANDS, itemgetter("subject"))
}
#: Other names of commands, which no help shows.
ALIASES: Final[Mapping[str, str]] = {"campaign": "campaigns"}
_ONLY_SHOW: Final = {row["command"] for row in _COMMANDS if row["shows"]}
_PARTS_THAT_SHOW: Final = frozenset({"list", "show", "get", "status", "export"})
_PARTS_THAT_ACT: Final = frozenset({"clear"})


def only_shows(words: Sequence[str]) -> bool:
    """Return whether a command line, without ``broadcast``, changes nothing."""
    name, part = [*words[:2], "", ""][:2]
    return part in _PARTS_THAT_SHOW or (name in _ONLY_SHOW and part not in _PARTS_THAT_ACT)


def help_id(name: str) -> str:
    """Return the id of a command's help, without importing the command."""
    # Of help itself there is the option as well.
    return "help.of_help" if name == "help" else f"help.{name}"


class _Ours:
    """Help in the person's language; no option taken for another's value, none twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        words = _Words(self, ctx)
        words.refuse_options(args)
        filled = words.filled_in(args)
        _refuse_repeated(self, ctx, filled)
        return super().parse_args(ctx, filled)  # type: ignore[misc]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's own
        from entrypoints.cli.command_help import print_help

        print_help(cast("Any", self), ctx)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the commands and options that begin so, with their help in words."""
        from entrypoints.cli.completing import Candidate

        texts = ctx.find_root().obj.terminal.texts
        found = super().shell_complete(ctx, incomplete)  # type: ignore[misc]
        return [Candidate(one.value, one.help and texts(one.help)) for one in found]

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = "help.help"
        return option


class Command(_Ours, TyperCommand):
    """A command; ``@app.command(cls=Command)``."""

    #: Typer's own error about them is a sentence in English; :meth:`parse_args` has ours.
    allow_extra_args = True

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Refuse what no argument takes."""
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            raise InputError(_why_extra(ctx.args), extra=" ".join(ctx.args), help=help_at(ctx))
        return rest


#: Marks of a Chinese keyboard in the place of quotes and of hyphens.
_QUOTES: Final = "\u201c\u201d\u2018\u2019"
_DASHES: Final = ("\u2014", "\u2013", "\uff0d")


def _why_extra(words: Sequence[str]) -> str:
    """Return the id of the error that fits words too many."""
    if words[0].startswith(_DASHES):
        return "error.usage.dashes"
    typographic = any(mark in word for word in words for mark in _QUOTES)
    return "error.usage.quotes" if typographic else "error.usage.extra"


class Group(_Ours, TyperGroup):
    """A group of commands that are there."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is called. Raises InputError, with the one that was meant."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            names = self.list_commands(ctx)
            raise unknown("error.usage.no_command", args[0], names, help_line=help_at(ctx))
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """The root: knows every command by name, and imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the commands that begin so, and import nothing for it."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from entrypoints.cli.completing import Candidate

        texts = ctx.obj.terminal.texts
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        return [Candidate(name, texts(help_id(name))) for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import and return a command, or None if there is none of this name."""
        name = ALIASES.get(cmd_name, cmd_name)
        module = COMMANDS.get(name)
        if module is None:
            return None
        app = import_module(module).app
        return typer.main.get_group(app).commands[name]


def help_at(context: Any) -> str:
    """Return the command that shows the help of where *context* is."""
    return f"{context.command_path if context else 'broadcast'} --help"


def unknown(problem: str, name: str, known: Sequence[str], *, help_line: str) -> InputError:
    """Return the error *problem* of a name that nobody knows, with the one that it is near."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return InputError(f"{problem}_near", name=name, near=near[0], help=help_line)
    return InputError(problem, name=name, help=help_line)


F = TypeVar("F", bound=Callable[..., Any])


class App(typer.Typer):
    """The commands of one subject: each is a :class:`Command` and gets the run of its context.

    It returns its exit status, or None for 0.
    """

    def command(
        self,
        name: str | None = None,
        *,
        json: bool = True,
        **settings: Any,
    ) -> Callable[[F], F]:
        """Register a command; *json*: it takes ``--json``."""
        register = super().command(name, **{"cls": Command, **settings})

        def add(command: F) -> F:
            register(of_context(command, json=json))
            return command

        return add


_AS_JSON: Final = Parameter(
    "as_json",
    Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--json", help="help.json")],
)


def of_context(command: Callable[..., Any], *, json: bool) -> Callable[..., Any]:
    """Return *command* as Typer calls it: with the context that has the run.

    *json*: the run says whether ``--json`` was given.
    """
    first, *rest = signature(command).parameters.values()
    hints = get_type_hints(command, include_extras=True)

    @wraps(command)
    def of_context(context: typer.Context, **values: object) -> int | None:
        context.obj.as_json = values.pop(_AS_JSON.name, False)
        given = context.obj if first.name == "run" else context
        return cast("int | None", command(**{first.name: given}, **values))

    context = Parameter("context", first.kind, annotation=typer.Context)
    parameters = [context, *(one.replace(annotation=hints[one.name]) for one in rest)]
    _describe(of_context, [*parameters, *([_AS_JSON] if json else ())])
    return of_context


def _describe(command: Callable[..., Any], parameters: Sequence[Parameter]) -> None:
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}


class OptionGroup:
    """Options of one subject, or groups of them; a subclass is a frozen dataclass."""


def grouped(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Return *command* with the options of its groups in the place of the groups."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if _is_group(hint)}

    @wraps(command)
    def run(**values: object) -> int | None:
        given = {name: _made(group, values) for name, group in groups.items()}
        return command(**values, **given)

    parameters = signature(command).parameters.values()
    _describe(run, [one for each in parameters for one in _flat(each, hints[each.name])])
    return run


def _is_group(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, OptionGroup)


def _made(hint: Any, values: dict[str, object]) -> object:
    """Return a group of the options in *values*, which are taken out of them."""
    own = get_type_hints(hint)
    return hint(
        **{
            name: _made(own[name], values) if _is_group(own[name]) else values.pop(name)
            for name in (one.name for one in fields(hint))
        }
    )


def _flat(parameter: Parameter, hint: Any) -> Iterator[Parameter]:
    """Yield a parameter; where a group stands, those of its fields."""
    if not _is_group(hint):
        # Whatever stands behind a field with a default is given by name.
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hint)
        return
    own = get_type_hints(hint, include_extras=True)
    for one in fields(hint):
        default = Parameter.empty if one.default is MISSING else one.default
        yield from _flat(Parameter(one.name, parameter.kind, default=default), own[one.name])
