"""Options that belong together, declared once and taken by several commands.

A group is a frozen dataclass whose fields are annotated as Typer wants its parameters. A command
that is :func:`grouped` takes the group as one parameter; on its command line stand the options.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


class OptionGroup:
    """Options of one subject; a subclass is a frozen dataclass."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return *command* with the options of its groups in the place of the groups."""
    hints = get_type_hints(command, include_extras=True)
    groups = {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, OptionGroup)
    }

    @functools.wraps(command)
    def run(**values: object) -> None:
        given = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})  # type: ignore[arg-type]
            for name, group in groups.items()
        }
        command(**values, **given)

    parameters = list(_flat(command, hints, groups))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _flat(
    command: Callable[..., None], hints: dict[str, Any], groups: dict[str, type[OptionGroup]]
) -> Iterator[Parameter]:
    """Yield the parameters of *command*, where a group stands those of its fields."""
    for parameter in signature(command).parameters.values():
        group = groups.get(parameter.name)
        if group is None:
            # Whatever stands behind a field with a default is given by name.
            yield parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
            continue
        own = get_type_hints(group, include_extras=True)
        for field in fields(group):  # type: ignore[arg-type]
            default = Parameter.empty if field.default is MISSING else field.default
            yield Parameter(
                field.name, Parameter.KEYWORD_ONLY, annotation=own[field.name], default=default
            )
