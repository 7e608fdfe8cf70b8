"""Bodies of requests: limited in bytes and seconds, one JSON object and nothing else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, NoReturn, TypeAlias

import orjson
from fastapi import Depends
from pydantic import BaseModel, ConfigDict
from starlette.requests import ClientDisconnect, Request

from broadcast.quoting import quoted, visible
from entrypoints.http.problems import ProblemError
from entrypoints.serving.request_bodies import TooLargeError, read_body
from producer.request import shape
from producer.request.shape import AnyForm

#: 100,000 OpenIDs and their quotes are 3.2 MB.
MOST_BYTES: Final = 4_000_000
WITHIN_S: Final = 30.0
#: Objects and lists; each costs some hundred times the memory and the time of its two bytes. A
#: body has a dozen, and a list of OpenIDs one comma an OpenID.
MOST_NESTED: Final = 10_000
MOST_COMMAS: Final = 200_000
JSON: Final = "application/json"
#: Characters of a header that are shown.
_SHOWN: Final = 60
#: Of a refusal before the body was read: what stands on the connection is no next request.
CLOSE: Final = {"Connection": "close"}


async def read_object(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """Return the JSON object of a request; an empty one where *optional* lets it be left out.

    Raises ProblemError.
    """
    if optional and not _has_body(request):
        return {}
    require_type(request, JSON)
    data = await _read(request)
    if optional and not data:
        return {}
    return parse(data)


def require_type(request: Request, *allowed: str) -> str:
    """Return the body's media type. Raises ProblemError for another than these."""
    content_type = request.headers.get("content-type", "")
    name, _, parameters = content_type.partition(";")
    kind = name.strip().lower()
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if kind not in allowed or (charset.startswith("charset=") and charset[8:] not in _UTF8):
        raise wrong_type(content_type, *allowed)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise ProblemError(
            "error.api.encoding",
            field="Content-Encoding",
            headers={"Accept-Encoding": "identity", **CLOSE},
        )
    return kind


def wrong_type(content_type: str, *allowed: str) -> ProblemError:
    """Return the refusal of a body that is none of these media types; *content_type*: its own."""
    named = ", ".join(allowed)
    return ProblemError(
        "error.api.content_type",
        field="Content-Type",
        allowed=named,
        said=quoted(content_type, _SHOWN),
        headers={"Accept": named, **CLOSE},
    )


_UTF8: Final = {"utf-8", "utf8", "us-ascii"}


def too_large(most: int) -> ProblemError:
    """Return the refusal of a body over *most* bytes."""
    return ProblemError("error.api.too_large", most=most, headers=CLOSE)


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length")
    return "transfer-encoding" in request.headers or length not in {None, "0"}


async def _read(request: Request) -> bytes:
    try:
        return await read_body(request, most=MOST_BYTES, within_s=WITHIN_S)
    except TooLargeError:
        raise too_large(MOST_BYTES) from None
    except TimeoutError:
        raise ProblemError("error.api.slow", seconds=WITHIN_S, headers=CLOSE) from None
    except ClientDisconnect:
        raise ProblemError("error.api.cut_off", headers=CLOSE) from None


def parse(data: bytes) -> dict[str, Any]:
    """Return a JSON object that names no member twice. Raises ProblemError."""
    if data.count(b"[") + data.count(b"{") > MOST_NESTED or data.count(b",") > MOST_COMMAS:
        raise ProblemError("error.api.json_many", nested=MOST_NESTED, most=MOST_COMMAS)
    try:
        # Strict in what the standard library is not: UTF-8, half surrogates, NaN, depth.
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        problem = ProblemError("error.api.json", line=error.lineno, column=error.colno)
    else:
        if isinstance(value, dict):
            _refuse_doubles(data)
            return value
        problem = ProblemError("error.request.no_object")
    raise problem


def _refuse_doubles(data: bytes) -> None:
    """Raise ProblemError where a member stands twice: readers differ in which one counts."""
    try:
        json.loads(
            data, object_pairs_hook=shape.each_once, parse_int=_nothing, parse_float=_nothing
        )
    except shape.TwiceError as error:
        name = visible(str(error.args[0]))[:60]
    except RecursionError:
        _refuse_depth()
    else:
        return
    raise ProblemError("error.api.json_twice", field=name)


def _refuse_depth() -> NoReturn:
    raise ProblemError("error.api.json_deep")


def _nothing(_: str) -> None:
    return None


class Body(BaseModel):
    """A body in which every member is known, and of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(Body):
    """No members."""


def body_of(
    form: type[AnyForm], *, optional: bool = False
) -> Callable[[Request], Awaitable[AnyForm]]:
    """Return the dependency of a route that takes a body of this form."""

    async def read(request: Request) -> AnyForm:
        value = await read_object(request, optional=optional)
        return shape.validated(form, value, known=list(form.model_fields))

    return read


Empty = Annotated[Nothing, Depends(body_of(Nothing, optional=True))]


async def members(request: Request) -> dict[str, Any]:
    """Return the members of a body, whatever they are. Raises ProblemError."""
    return await read_object(request)


Members: TypeAlias = Annotated[dict[str, Any], Depends(members)]


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse parameters of the query that the route does not know: a slip must not widen a look.

    Raises ProblemError, RequestError.
    """
    dependant = getattr(request.scope.get("route"), "dependant", None)
    known = [one.alias for one in getattr(dependant, "query_params", ())]
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise shape.unknown((name,), known)
        if name in seen and name not in REPEATED:
            raise ProblemError("error.api.parameter_twice", field=name)
        seen.add(name)


#: Parameters that may be given several times.
REPEATED: Final = frozenset({"set"})
