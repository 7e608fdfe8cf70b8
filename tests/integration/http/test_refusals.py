"""Whatever a program sends, the answer names what is wrong, and nothing breaks."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.http.conftest import Served
from tests.kit import api
from tests.kit.api import Program

TWO = api.people(2, seed="refusals")
GOOD = {"account": "main", "content": api.TEXT, "audience": {"openids": TWO}}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt member": ({"adience": 1}, "adience"),
    "two kinds of audience": ({"audience": {"openids": TWO, "tag_id": 2}}, "audience"),
    "no audience": ({"audience": None}, "audience"),
    "a list of one": ({"audience": {"openids": TWO[:1]}}, "audience.openids"),
    "a list without OpenIDs": ({"audience": {"openids": ["x", "y"]}}, "audience.openids"),
    "a list of blanks": ({"audience": {"openids": ["", " "]}}, "audience.openids"),
    "a number in the list": ({"audience": {"openids": [*TWO, 7]}}, "audience.openids.2"),
    "no content": ({"content": {}}, "content.msgtype"),
    "another msgtype": ({"content": {"msgtype": "telegram"}}, "content.msgtype"),
    "a time that is past": ({"at": "2020-01-01 10:00"}, "at"),
    "a time that is none": ({"at": "tomorrow"}, "at"),
    "a title of two lines": ({"title": "a\nb"}, "title"),
    "a high priority": ({"priority": 101}, "priority"),
    "a flag that is text": ({"again": "yes"}, "again"),
    "an exclusion of another kind": ({"exclude": ["file:x"]}, "exclude.0"),
    "an exclusion that nobody knows": ({"exclude": ["broadcast:nobody"]}, "exclude"),
    "a sample of one": ({"sample": "1"}, "sample"),
    "a tag without followers": ({"with_tag": 2}, "with_tag"),
    "late_by in no unit": ({"late_by": "7"}, "late_by"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_member_is_named(program: Program, what: str) -> None:
    members, field = WRONG[what]
    told = program.ask(
        "POST", "/v1/broadcasts", {**GOOD, **members}, headers={"Idempotency-Key": f"bad {what}"}
    )

    assert told.status_code == 422
    assert told.headers["Content-Type"] == "application/problem+json"
    problem = told.json()
    assert problem["field"] == field
    assert problem["detail"]
    assert problem["fix"]
    assert program.get("/v1/broadcasts", key=f"bad {what}").json()["broadcasts"] == []


def test_the_answer_is_in_the_callers_language(program: Program) -> None:
    for header, language in [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB", "en"),
        ("fr, en;q=0.3, zh;q=0.4", "zh"),
        ("zh;q=0, en;q=0.1", "en"),
        ("*", "en"),
        ("q=;;;,", "en"),
        ("zh;q=x", "en"),
    ]:
        told = program.ask("GET", "/v1/broadcasts/nobody", headers={"Accept-Language": header})
        assert told.headers["Content-Language"] == language, header


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_type_of_a_refusal_leads_to_where_it_is_explained(
    served: Served, language: str
) -> None:
    stranger, header = served.program(None), {"Accept-Language": language}
    kind = stranger.ask("GET", "/v1/accounts", headers=header).json()["type"]
    page = stranger.ask("GET", kind, headers=header)

    assert kind == "/docs/errors#error.api.no_key"
    assert page.headers["Content-Language"] == language
    assert page.text.count('id="error.api.no_key"') == 1


@pytest.mark.parametrize(
    ("key", "words"),
    [(None, "missing"), ("k" * 129, "129"), (b"a\xc2\x85b", "Control")],
)
def test_the_idempotency_key_is_checked(program: Program, key: Any, words: str) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    told = program.ask("POST", "/v1/broadcasts", GOOD, headers=headers)

    assert told.status_code == 422
    assert told.json()["field"] == "Idempotency-Key"
    assert words.lower() in told.json()["detail"].lower()


def test_nothing_but_the_missing_key_is_said_to_a_stranger(served: Served) -> None:
    for path in ("/v1/broadcasts?accounts=main", "/v1/accounts?limit=1", "/v1/broadcasts?limit=x"):
        told = served.program(None).get(path)
        assert (told.status_code, told.json()["field"]) == (401, None), path


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "fix"),
    [
        ("GET", "/v1/broadcasts?limit=x", None, None, "Correct limit and send it again."),
        ("POST", "/v1/plans", {**GOOD, "title": ""}, None, "Correct title and send it again."),
        (
            "POST",
            "/v1/broadcasts",
            GOOD,
            None,
            "Send the same request with a header Idempotency-Key, such as shop-order-4711.",
        ),
        ("POST", "/v1/broadcasts", GOOD, "", "Correct Idempotency-Key and send it again."),
        (
            "POST",
            "/v1/broadcasts",
            {**GOOD, "title": ""},
            "fix",
            (
                "Correct what field names and send it again with the same Idempotency-Key. "
                "Nothing was stored."
            ),
        ),
        (
            "POST",
            "/v1/broadcasts",
            {**GOOD, "audience": {"openids": TWO[:1]}},
            "fix",
            (
                "Correct what field names and send it again with the same Idempotency-Key. "
                "Nothing was stored."
            ),
        ),
    ],
)
def test_what_to_do_fits_the_request(
    program: Program, method: str, path: str, body: object, key: str | None, fix: str
) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    told = program.ask(method, path, body, headers=headers)

    assert told.status_code == 422
    assert told.json()["fix"] == fix
    if key == "":
        assert told.json()["detail"] == (
            "Idempotency-Key is empty. Give a key of 1 to 128 characters."
        )


def _nested(depth: int) -> bytes:
    return b'{"content": ' + b"[" * depth + b"]" * depth + b"}"


BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no JSON": (b"{", 400),
    "a list": (b"[]", 422),
    "a member twice": (b'{"content": {}, "content": {}}', 400),
    "a member twice, deep inside": (b'{"audience": {"openids": [], "openids": []}}', 400),
    "500 lists in each other": (_nested(500), 422),
    "100,000 lists in each other": (_nested(100_000), 400),
    "a number of 100,000 digits": (b'{"priority": ' + b"9" * 100_000 + b"}", 400),
    "a number beyond all": (b'{"priority": 1e999999}', 400),
    "no number": (b'{"priority": NaN}', 400),
    "half a character": (b'{"title": "\\ud800"}', 400),
    "bytes that are no text": (b'{"title": "\xff"}', 400),
    "100,000 members": (json.dumps({f"m{n}": n for n in range(100_000)}).encode(), 422),
    "100,001 OpenIDs": (
        json.dumps({**GOOD, "audience": {"openids": ["x"] * 100_001}}).encode(),
        422,
    ),
    "4 MB and one byte": (b" " * 4_000_001, 413),
}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_that_is_a_bomb_costs_its_sender_a_refusal(program: Program, what: str) -> None:
    data, status = BODIES[what]
    headers = {"Content-Type": "application/json", "Idempotency-Key": "bomb"}

    began = time.monotonic()
    told = program.ask("POST", "/v1/broadcasts", headers=headers, data=data)

    assert told.status_code == status
    assert told.json()["detail"]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_media_type_is_refused(program: Program, headers: dict[str, str]) -> None:
    told = program.ask(
        "POST", "/v1/broadcasts", headers={**headers, "Idempotency-Key": "k"}, data=b"{}"
    )

    assert told.status_code == 415


@pytest.mark.parametrize(
    "path",
    [
        "/v1/broadcasts/nobody",
        "/v1/broadcasts/..%2f..%2fetc%2fpasswd",
        "/v1/broadcasts/%00",
        "/v1/broadcasts/%E5%B9%BF",
        "/v1/broadcasts/a%0d%0aX-Evil:%201",
        "/v1//broadcasts",
        "/v2",
        "/v1/broadcasts/",
        "/v1/dead-letters/dead",
        "/v1/broadcasts/' OR 1=1--/audit",
        "/v1/broadcasts/@last",
        "/v1/broadcasts/" + "a" * 2_000,
    ],
)
def test_a_path_that_leads_nowhere_is_not_found(program: Program, path: str) -> None:
    told = program.get(path)

    assert told.status_code == 404
    assert told.json()["type"].startswith("/docs/errors#error.api.")
    assert "X-Evil" not in told.headers


#: What the commands and the body may have one day: until then it is refused, not overlooked.
LATER = {
    "canary": "5%",
    "cap": "skip",
    "cooling_off": "10m",
    "needs_approval": True,
    "retry_missed": "ID",
}


@pytest.mark.parametrize("name", LATER)
def test_a_member_that_this_release_does_not_have_is_unknown(program: Program, name: str) -> None:
    for path in ("/v1/broadcasts", "/v1/plans"):
        told = program.ask(
            "POST", path, {**GOOD, name: LATER[name]}, headers={"Idempotency-Key": f"later {name}"}
        )
        assert told.status_code == 422
        assert told.json()["field"] == name
        assert ".unknown" in told.json()["type"]
    assert program.get("/v1/broadcasts", key=f"later {name}").json()["broadcasts"] == []


@pytest.mark.parametrize("path", ["/v1/lists", "/v1/broadcasts/x/approve"])
def test_an_address_that_this_release_does_not_have_is_not_found(
    program: Program, path: str
) -> None:
    for method in ("GET", "POST"):
        assert program.ask(method, path, {}).json()["type"].endswith("error.api.no_path")


def test_another_method_is_told_which_ones_there_are(program: Program) -> None:
    told = program.ask("DELETE", "/v1/broadcasts")

    assert told.status_code == 405
    assert told.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/broadcasts?accounts=main", "accounts"),
        ("/v1/broadcasts?limit=0", "limit"),
        ("/v1/broadcasts?limit=x", "limit"),
        ("/v1/broadcasts?state=gone", "state"),
        ("/v1/broadcasts?cursor=abc", "cursor"),
        ("/v1/broadcasts?key=a%00b", "key"),
        ("/v1/broadcasts?key=a&key=b", "key"),
        ("/v1/broadcasts?limit=" + "9" * 5_000, "limit"),
        ("/v1/broadcasts?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwgImEiXQ==", "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(program: Program, path: str, field: str) -> None:
    told = program.get(path)

    assert told.status_code == 422
    assert told.json()["field"] == field


def test_an_id_of_the_caller_cannot_write_into_log_or_headers(served: Served) -> None:
    before = len(served.process.output)
    said = b"GET /v1/accounts HTTP/1.1\r\nHost: a\r\nX-Request-Id: evil\tid; x\r\n"
    raw = said + b"User-Agent: x\r\nConnection: close\r\n\r\n"
    told = _raw(served, raw)
    _raw(served, b"GET /v1/%0aINFO%0dforged\x01 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert told.startswith(b"HTTP/1.1 401")
    assert b"evil" not in told
    for line in served.process.output[before:].splitlines():
        assert line.startswith("20"), line


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost a\r\n\r\n"])
def test_what_is_no_http_request_is_refused_in_plain_text(served: Served, raw: bytes) -> None:
    status, _, rest = _raw(served, raw).partition(b"\r\n")

    assert status.split()[1] == b"400"
    assert b"content-type: text/plain" in rest.lower()


def test_a_head_that_is_endless_is_cut_off(served: Served) -> None:
    assert len(_raw(served, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 40_000)) < 500


def test_a_head_that_never_ends_is_cut_off_in_seconds(served: Served) -> None:
    """The others are answered meanwhile."""
    with _connected(served) as slow:
        slow.sendall(b"GET /v1/accounts HTTP/1.1\r\nHost: a\r\n")
        assert served.program().get("/v1/accounts").status_code == 200
        slow.settimeout(30)
        assert slow.recv(1_000) == b""


def test_lengths_that_lie_are_refused(served: Served) -> None:
    head = (
        f"POST /v1/broadcasts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.KEY}\r\n"
        "Idempotency-Key: k\r\nContent-Type: application/json\r\nConnection: close\r\n"
    ).encode()
    lies: dict[str, Callable[[bytes], bytes]] = {
        "a terabyte": lambda head: head + b"Content-Length: 1000000000000\r\n\r\n{}",
        "two lengths": lambda head: head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "chunks and a length": lambda head: (
            head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        ),
        "negative": lambda head: head + b"Content-Length: -1\r\n\r\n{}",
    }
    for what, lie in lies.items():
        told = _raw(served, lie(head))
        assert told == b"" or told.split()[1] in {b"400", b"413", b"422"}, what


def _connected(served: Served) -> socket.socket:
    parts = urlsplit(served.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def _raw(served: Served, data: bytes) -> bytes:
    with _connected(served) as connection:
        found = b""
        try:
            connection.sendall(data)
            while piece := connection.recv(65_536):
                found += piece
        except OSError:
            # Cut off while we were still talking.
            pass
        return found


def test_the_server_is_none_the_worse_for_it(program: Program, served: Served) -> None:
    assert program.get("/healthz").json() == {"ok": True}
    assert served.process.exit_status is None
