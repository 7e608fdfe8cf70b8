"""Typer's usage errors as one line in the person's language."""

from __future__ import annotations

import difflib
from typing import Any

from typer.exceptions import TyperException

from broadcast.text import t
from cli.group import COMMANDS


def one_line(error: TyperException) -> str:
    """Return what is wrong with the command line, and where its help is."""
    context = getattr(error, "ctx", None)
    help_at = f"{context.command_path if context else 'broadcast'} --help"
    # Typer keeps the classes of its errors to itself, and their names are their contract.
    match type(error).__name__:
        case "NoSuchOption":
            return _no_such_option(error, help_at)
        case "MissingParameter":
            return t("error.usage.missing", name=_name(error), help=help_at)
        case "BadParameter":
            return _bad_value(error, help_at)
        case "BadOptionUsage":
            option = getattr(error, "option_name", "")
            return t("error.usage.option_value", name=option, help=help_at)
    return _other(error, context, help_at)


def _no_such_option(error: Any, help_at: str) -> str:  # noqa: ANN401
    command = getattr(error.ctx, "command", None)
    known = [name for option in getattr(command, "params", ()) for name in option.opts]
    near = difflib.get_close_matches(error.option_name, known, n=1)
    if near:
        return t("error.usage.no_option_near", name=error.option_name, near=near[0], help=help_at)
    return t("error.usage.no_option", name=error.option_name, help=help_at)


def _bad_value(error: Any, help_at: str) -> str:  # noqa: ANN401
    facts = {"name": _name(error), "help": help_at}
    smallest = getattr(error.param, "min", None)
    largest = getattr(error.param, "max", None)
    if smallest is not None and largest is not None:
        return t("error.usage.between", smallest=smallest, largest=largest, **facts)
    if smallest is not None:
        return t("error.usage.at_least", smallest=smallest, **facts)
    return t("error.usage.bad_value", **facts)


def _name(error: Any) -> str:  # noqa: ANN401
    parameter = error.param
    if parameter is None:
        return str(error.param_hint or "?")
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).upper()
    return str(max(parameter.opts, key=len))


def _other(error: Any, context: Any, help_at: str) -> str:  # noqa: ANN401
    rest = [*getattr(context, "_protected_args", ()), *getattr(context, "args", ())]
    message = str(error.message)
    if message.startswith("No such command"):
        name = message.split("'")[1] if "'" in message else ""
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        if near:
            return t("error.usage.no_command_near", name=name, near=near[0], help=help_at)
        return t("error.usage.no_command", name=name, help=help_at)
    if message.startswith("Missing command"):
        return t("error.usage.missing_command", help=help_at)
    if message.startswith("Got unexpected extra argument"):
        extra = message.rpartition("(")[2].rstrip(")") or " ".join(rest)
        return t("error.usage.extra", extra=extra, help=help_at)
    return t("error.usage.other", text=message, help=help_at)
