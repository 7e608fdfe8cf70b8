"""The form of small bodies and of parameters, and one refusal that names the first wrong member."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from api.problems import ProblemError
from broadcast.message import Message
from producer.request.shape import field_of

Form = TypeVar("Form", bound=BaseModel)


class Body(BaseModel):
    """A body in which every member is known, and of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(Body):
    """No members."""


def read(form: type[Form], value: Mapping[str, Any]) -> Form:
    """Return *value* as *form*. Raises ProblemError."""
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    raise refused(first["type"], first["loc"], first.get("ctx", {}), known=list(form.model_fields))


def refused(
    kind: str, loc: Sequence[object], facts: Mapping[str, Any], *, known: Sequence[str] = ()
) -> ProblemError:
    """Return what pydantic found as a refusal."""
    field = field_of(loc)
    if kind == "missing":
        return ProblemError(422, "error.request.missing", field=field)
    if kind == "extra_forbidden":
        return unknown(field, known)
    bound = next((facts[name] for name in ("ge", "gt", "le", "lt") if name in facts), None)
    match kind:
        case "greater_than_equal" | "greater_than":
            reason = Message("request.reason.least", n=bound)
        case "less_than_equal" | "less_than":
            reason = Message("request.reason.most", n=bound)
        case "string_too_long":
            reason = Message("request.reason.too_long", n=facts["max_length"])
        case "literal_error" | "enum" if "expected" in facts:
            reason = Message("request.reason.one_of", words=_WORD.findall(facts["expected"]))
        case _:
            reason = Message(_REASONS.get(kind, "request.reason.form"))
    return ProblemError(422, "error.request.wrong", field=field, reason=reason)


def unknown(field: str, known: Sequence[str]) -> ProblemError:
    """Return the refusal of a name that nobody knows, with the one that it is near."""
    near = difflib.get_close_matches(field, known, n=1)
    if near:
        return ProblemError(422, "error.request.unknown_near", field=field, near=near[0])
    return ProblemError(422, "error.request.unknown", field=field)


#: Of what pydantic expected: 'one', 'two' or 'three'.
_WORD: Final = re.compile(r"'([^']*)'")
_REASONS: Final = {
    "string_type": "request.reason.text", "int_type": "request.reason.number",
    "int_parsing": "request.reason.number", "bool_type": "request.reason.flag",
    "bool_parsing": "request.reason.flag", "literal_error": "request.reason.true",
    "string_too_short": "request.reason.empty",
}  # fmt: skip


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse parameters of the query that the route does not know: a slip must not widen a look.

    Raises ProblemError.
    """
    dependant = getattr(request.scope.get("route"), "dependant", None)
    known = [one.alias for one in getattr(dependant, "query_params", ())]
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise unknown(field_of((name,)), known)
        if name in seen and name not in REPEATED:
            raise ProblemError(422, "error.api.parameter_twice", field=name)
        seen.add(name)


#: Parameters that may be given several times.
REPEATED: Final = frozenset({"set"})
