"""Typer's usage errors as errors of ours, from the facts that they carry."""

from __future__ import annotations

from typing import Any

from typer import BadParameter
from typer.exceptions import TyperException

from broadcast.errors import InputError
from entrypoints.cli.group import help_at, unknown


def as_input_error(error: TyperException) -> InputError:
    """Return the error of the command line, and the command for its help."""
    help_line = help_at(getattr(error, "ctx", None))
    facts: dict[str, object] = {"help": help_line}
    if isinstance(error, BadParameter):
        return _of_parameter(error, facts)
    option = getattr(error, "option_name", None)
    if option is None:
        return _other(error, facts)
    if not hasattr(error, "possibilities"):
        return InputError("error.usage.option_value", name=option, **facts)
    return unknown("error.usage.no_option", option, _known_options(error), help_line=help_line)


def _other(error: Any, facts: dict[str, object]) -> InputError:
    # Our commands see to words too many and to unknown commands themselves: what is left for a
    # group is that none is called.
    if hasattr(getattr(error, "ctx", None) and error.ctx.command, "list_commands"):
        return InputError("error.usage.missing_command", **facts)
    return InputError("error.usage.other", text=error.message, **facts)


def _known_options(error: Any) -> list[str]:
    command = getattr(error.ctx, "command", None)
    return [name for option in getattr(command, "params", ()) for name in option.opts]


def _of_parameter(error: BadParameter, facts: dict[str, object]) -> InputError:
    """Return the error for a value that is missing, or that its parameter does not take."""
    facts["name"] = _name(error.param, error.param_hint)
    if hasattr(error, "param_type"):
        of_broadcast = facts["name"] == "ID"
        return InputError(
            "error.usage.missing_id" if of_broadcast else "error.usage.missing", **facts
        )
    smallest, largest = (getattr(error.param, bound, None) for bound in ("min", "max"))
    if smallest is not None and largest is not None:
        return InputError("error.usage.between", smallest=smallest, largest=largest, **facts)
    if smallest is not None:
        return InputError("error.usage.at_least", smallest=smallest, **facts)
    return InputError("error.usage.bad_value", **facts)


def _name(parameter: Any, hint: object) -> str:
    if parameter is None:
        return str(hint or "?")
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).upper()
    return str(max(parameter.opts, key=len))
