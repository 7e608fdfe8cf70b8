"""Attacks on a running API: each is refused, and costs the others nothing. docs/security.md."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from broadcast.views import tables
from tests.integration.http.conftest import Served
from tests.integration.http.raw import connected, head, told
from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.receiver import SECRET

BODY = json.dumps(
    {
        "account": "main",
        "content": api.TEXT,
        "audience": {"openids": api.people(2, seed="attacks")},
    }
).encode()
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


def plan(*lines: str, body: bytes = BODY, version: str = "1.1") -> bytes:
    """A dry run with these lines in its head."""
    lines = ("Content-Type: application/json", *lines)
    return head("POST", "/v1/plans", *lines, version=version) + body


#: What a server in front could take for another request than we do: name, request, statuses.
AMBIGUOUS: dict[str, tuple[bytes, set[str]]] = {
    "one length": (plan(LENGTH), {"200"}),
    "chunks": (plan(CHUNKED, body=CHUNKS), {"200"}),
    "chunks with words": (plan(CHUNKED, body=CHUNKS.replace(b"\r\n", b";a=b\r\n", 1)), {"200"}),
    "two lengths": (plan(LENGTH, "Content-Length: 3"), {"400"}),
    "the same length twice": (plan(LENGTH, LENGTH), {"400"}),
    "lengths with a comma": (plan(f"{LENGTH}, {len(BODY)}"), {"400"}),
    "a length with a sign": (plan(f"Content-Length: +{len(BODY)}"), {"400"}),
    "a length and a blank before its colon": (plan(f"Content-Length : {len(BODY)}"), {"400"}),
    "chunks and a length": (plan(CHUNKED, LENGTH, body=CHUNKS), {"400"}),
    "chunks twice": (plan(CHUNKED, CHUNKED, body=CHUNKS), {"400"}),
    "chunks of another coding": (plan("Transfer-Encoding: xchunked", body=CHUNKS), {"400"}),
    "packed chunks": (plan("Transfer-Encoding: gzip, chunked", body=CHUNKS), {"400"}),
    "chunks that are none": (plan("Transfer-Encoding: chunked, identity", body=CHUNKS), {"400"}),
    "chunks after nothing": (plan("Transfer-Encoding: identity, chunked", body=CHUNKS), {"400"}),
    "chunks on the next line": (plan("Transfer-Encoding:\r\n chunked", body=CHUNKS), {"400"}),
    "chunks of HTTP/1.0": (plan(CHUNKED, body=CHUNKS, version="1.0"), {"400"}),
    "chunks without CR": (plan(CHUNKED, body=CHUNKS.replace(b"\r\n", b"\n")), {"400"}),
    "a chunk of a negative size": (plan(CHUNKED, body=b"-1\r\n" + CHUNKS), {"400"}),
    "a chunk of 2**68 bytes": (plan(CHUNKED, body=b"f" * 17 + b"\r\n" + CHUNKS), {"400"}),
    "lines behind the chunks": (
        plan(CHUNKED, body=CHUNKS[:-2] + b"Authorization: Bearer x\r\n\r\n"),
        {""},
    ),
    "a head of 20 kB at once": (head("GET", "/v1/accounts", f"X-A: {'a' * 20_000}"), {"400", ""}),
    "an address of 20 kB at once": (head("GET", f"/v1/accounts?{'a' * 20_000}"), {"400", ""}),
    "a line that goes on": (head("GET", "/v1/accounts", "X-A: a\r\n b"), {"400"}),
    "a line without CR": (head("GET", "/v1/accounts").replace(b"\r\n", b"\n"), {"400"}),
    "a CR inside of a line": (head("GET", "/v1/accounts", "X-A: a\rX-B: b"), {"400"}),
    "a NUL inside of a line": (head("GET", "/v1/accounts", "X-A: a\0b"), {"400"}),
    "two hosts": (head("GET", "/v1/accounts", "Host: b"), {"400"}),
    "HTTP/1.0": (head("GET", "/v1/accounts", version="1.0"), {"200"}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {"400"}),
    "HTTP/9.9": (head("GET", "/v1/accounts", version="9.9"), {"400"}),
    "TLS": (bytes.fromhex("1603010200010001fc0303") + b"a" * 400, {"400"}),
    "a tunnel": (head("CONNECT", "example.com:80"), {"400"}),
    "another server's address": (head("GET", "http://example.com/v1/accounts"), {"200"}),
    "another server's address and no path": (head("GET", "http://example.com"), {"400", "404"}),
    "WebSocket": (
        head("GET", "/v1/accounts", "Upgrade: websocket", "Connection: upgrade, close"),
        {"200"},
    ),
}


def test_a_request_that_two_readers_could_take_for_two_is_refused(served: Served) -> None:
    wrong = {
        name: answer[:60]
        for name, (request, statuses) in AMBIGUOUS.items()
        if answer_status(answer := told(served, request)) not in statuses
        or answer.count(b"HTTP/1.1") > 1
    }
    assert wrong == {}


def answer_status(answer: bytes) -> str:
    """The status; empty where the connection was cut."""
    return answer[9:12].decode("ascii", "replace")


PATHS = (
    "//v1/accounts",
    "/v1//accounts",
    "/v1/../v1/accounts",
    "/v1/./accounts",
    "/v1/accounts/",
    "/v1/accounts;x",
    "/v1\\accounts",
    "/V1/accounts",
    "/v1/%61ccounts",
    "/v1%2faccounts",
    "/v1/accounts%0a",
    "/v1/accounts%20",
    "/v1/accounts%00",
    "/%2e%2e/v1/accounts",
    "/v1/%2e%2e/v1/accounts",
    "/v1/x/%2e%2e/accounts",
    "/v1/broadcasts/..%2faccounts",
    "/v1/accounts%3f",
    "/v1/accounts%23",
    "/v1/accounts%25",
    "/healthz%0a",
    "/docs/..",
)


def test_an_address_has_one_spelling(served: Served) -> None:
    """Whoever forbids an address in a server in front forbids all of it."""
    found = {path: answer_status(told(served, head("GET", path))) for path in PATHS}

    assert set(found.values()) == {"404"}, found
    assert answer_status(told(served, head("GET", "/v1/accounts"))) == "200"


def test_only_the_methods_of_the_document_are_taken(served: Served) -> None:
    others = ("HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND", "QUERY")
    answers = {method: told(served, head(method, "/v1/accounts")) for method in others}

    assert {answer_status(answer) for answer in answers.values()} == {"405"}
    assert {answer_status(told(served, head(one, "/v1/accounts"))) for one in ("FOO", "get")} == {
        "400"
    }
    # What was sent is sent back to nobody.
    assert api.KEY.encode() not in b"".join(answers.values())


def test_no_page_of_another_site_may_ask_or_embed(served: Served) -> None:
    """No cookie, no CORS: a browser sends the key nowhere by itself."""
    origin = ("Origin: https://evil.example", "Access-Control-Request-Method: POST")
    for request in (
        head("OPTIONS", "/v1/broadcasts", *origin),
        head("GET", "/docs", *origin),
        head("GET", "/v1/accounts", *origin),
    ):
        answer = told(served, request).lower()
        assert b"access-control" not in answer
        assert b"set-cookie" not in answer
        assert b"x-content-type-options: nosniff" in answer
        assert b"frame-ancestors 'none'" in answer


def _filled(begin: bytes, piece: bytes, end: bytes) -> bytes:
    count = (3_990_000 - len(begin) - len(end)) // len(piece)
    return begin + piece * count + piece[:-1] + end


BOMBS = {
    "a million lists": (_filled(b'{"content":[', b"[],", b"]}"), 400),
    "a million objects": (_filled(b'{"content":[', b"{},", b"]}"), 400),
    "objects of one member": (_filled(b'{"content":[', b'{"":0},', b"]}"), 400),
    "two million numbers": (_filled(b'{"content":[', b"0,", b"]}"), 400),
    "400,000 exclusions": (_filled(b'{"exclude":[', b'"tag:1",', b"]}"), 400),
    "a name of 4 MB": (b'{"' + b"a" * 3_990_000 + b'":1}', 422),
    "a text of 4 MB": (b'{"title":"' + b"a" * 3_990_000 + b'"}', 422),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_body_of_four_megabytes_holds_up_nobody_for_long(served: Served, what: str) -> None:
    """Refused before it is unpacked: as objects it would take a hundred times the time and room."""
    body, status = BOMBS[what]
    cpu = psutil.Process(served.process.pid).cpu_times
    before = sum(cpu()[:2])
    answer = told(served, plan(f"Content-Length: {len(body)}", body=body))

    assert answer_status(answer) == str(status)
    assert sum(cpu()[:2]) - before < 0.6


def _place(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


#: At the ends of what a type can hold, and signs that one database or another cannot be asked for.
ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "an exclusion with a NUL": ({"exclude": ["broadcast:\0"]}, "exclude.0"),
    "an exclusion in Chinese": ({"exclude": ["broadcast:群"]}, "exclude.0"),
    "a tag of 5,000 digits": ({"exclude": ["tag:" + "9" * 5_000]}, "exclude.0"),
    "a sample of 5,000 digits": ({"sample": "9" * 5_000}, "sample"),
    "a sample that is none": ({"sample": "NaN%"}, "sample"),
    "a wait of 5,000 digits": ({"late_by": "9" * 5_000 + "d"}, "late_by"),
    "the end of time": ({"at": "9999-12-31T23:59:59-14:00"}, "at"),
    "the beginning of time": ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
    "a number of 30 digits": ({"priority": 10**30}, "priority"),
    "a text with a NUL": (
        {"content": {"msgtype": "text", "text": {"content": "a\0"}}},
        "content.text.content",
    ),
    "a title that turns the line": ({"title": "\u202e"}, "title"),
    "a title that clears the screen": ({"title": "\x1b[2J"}, "title"),
    "a file of the server": ({"audience": {"file": "/etc/passwd"}}, "audience.file"),
    "a receiver in the cloud's own network": (
        {"notify": {"url": "https://169.254.169.254/latest"}},
        "notify.url",
    ),
    "a receiver with a line of its own": (
        {"notify": {"url": "https://example.com/\r\nX-Evil: 1"}},
        "notify.url",
    ),
}


def test_values_at_the_ends_are_refused_by_every_database(crowded: Program) -> None:
    for what, (members, field) in ENDS.items():
        body = {"content": api.TEXT, "audience": {"openids": api.people(2)}, **members}
        answer = crowded.ask("POST", "/v1/broadcasts", body, headers={"Idempotency-Key": "ends"})
        assert (answer.status_code, answer.json().get("field")) == (422, field), what
    for place in (
        _place("9999-12-31T23:59:59.999999-14:00", "x"),
        _place("2001-01-01T00:00:00+14:00", "\0"),
        _place(1, 2),
        _place({}),
        "AAAA",
        "%00",
    ):
        answer = crowded.ask("GET", f"/v1/broadcasts?cursor={place}")
        assert (answer.status_code, answer.json()["field"]) == (422, "cursor"), place
    for word in ("a\0b", "\x1b[2J\u202e", "\ufeff"):
        answer = crowded.ask("POST", "/v1/accounts/default/halt", {"why": word})
        assert answer.status_code == 200, word
        assert answer.json()["halted"]["why"] in {"a b", "[2J", None}


@pytest.fixture
def crowded(fresh_url: str, tmp_path: Path) -> Iterator[Program]:
    """A program of an API on each database."""
    with api.started(tmp_path, api.settings(fresh_url)) as process:
        yield Program(url=api.url_of(process))
        assert "Traceback" not in process.output


def test_a_refused_list_says_nothing_of_the_place_where_it_was_kept(program: Program) -> None:
    made = program.ask(
        "POST",
        "/v1/broadcasts",
        {"account": "main", "content": api.TEXT, "audience": {"upload": True}},
        headers={"Idempotency-Key": "where it was kept"},
    )
    where = f"/v1/broadcasts/{made.json()['id']}/audience"
    for data in (b"a" * 2_000_000, b"\0" * 100, b"x\ny\n", b""):
        refused = program.ask("PUT", where, headers={"Content-Type": "text/plain"}, data=data)
        assert refused.status_code in {400, 422}
        assert re.search(r"/(tmp|var)/|broadcast-upload", refused.text) is None, refused.text


def test_the_log_has_one_line_a_request_whatever_the_request_says(served: Served) -> None:
    before = len(served.process.output)
    forged = "2026-01-01 00:00:00,000 INFO entrypoints.http.request_gate: GET /forged 200"
    for line in (
        f"X-Request-Id: a\t{forged}",
        f"Accept-Language: {forged}",
        f"Last-Event-ID: {forged}",
        f"Idempotency-Key: {forged}",
        f"User-Agent: {forged}",
        "Host: \x7f",
    ):
        told(served, head("GET", "/v1/accounts", line))
    told(served, head("GET", f"/v1/{forged.replace(' ', '%20')}%0a{'%1b' * 100}"))
    told(served, plan(LENGTH, f"Authorization: Bearer {'k' * 200}"))
    lines = served.process.output[before:].splitlines()

    assert all(
        re.match(r"\d{4}-\d\d-\d\d [\d:,]+ INFO entrypoints\.http\.request_gate: ", line)
        for line in lines
    ), lines
    assert not [line for line in lines if "GET /forged" in line.split(" INFO ", 1)[1][:30]]
    assert max(map(len, lines)) < 500
    assert api.KEY not in served.process.output


def test_no_key_and_no_secret_stands_in_database_log_or_answer(served: Served) -> None:
    """Also where it is sent in the wrong place."""
    program, key = served.program(), "misplaced-key-of-a-caller-0123456789"
    answers = [
        program.submit(api.people(2, seed="misplaced"), key="misplaced", account="main"),
        program.get("/v1/accounts"),
        program.get(f"/v1/broadcasts/{key}"),
        served.program(key).get("/v1/accounts"),
        program.get("/openapi.json"),
        program.ask("POST", "/v1/accounts/main/halt", {"why": f"Authorization: Bearer {key}"}),
        program.ask("POST", "/v1/accounts/main/unhalt"),
    ]
    stored = b"".join(file.read_bytes() for file in served.folder.glob("broadcast.db*"))
    shown = "".join(f"{answer.text}{answer.headers}" for answer in answers)

    assert b"misplaced" in stored
    for secret in (api.KEY, "secret-of-nobody", key):
        assert secret.encode() not in stored, secret
        assert secret not in shown, secret
    for secret in (api.KEY, "secret-of-nobody"):
        assert secret not in served.process.output, secret


@pytest.mark.parametrize("name", ["Accept-Language", "Last-Event-ID", "Idempotency-Key", "Accept"])
def test_a_header_of_15_kb_takes_no_time(served: Served, name: str) -> None:
    """No pattern of ours goes back over what it has read."""
    for value in ("a" * 15_000, "a," * 7_500, ";q=" * 5_000, " " * 15_000 + "x", "-" * 15_000):
        began = time.process_time(), time.monotonic()
        told(served, plan(LENGTH, f"{name}: {value}"))
        assert time.monotonic() - began[1] < 5


def test_a_caller_that_hangs_up_at_any_byte_leaves_nothing_behind(served: Served) -> None:
    process = psutil.Process(served.process.pid)
    request = plan(LENGTH)
    for cut in range(0, len(request), 7):
        with connected(served) as hasty:
            hasty.sendall(request[:cut])
            # A reset, not an end.
            hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert served.program().get("/v1/accounts").status_code == 200
    assert process.num_fds() < 100
    assert "Traceback" not in served.process.output


def test_the_start_warns_of_plain_http_of_keys_that_all_may_read_and_of_unknown_accounts(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    keys, secrets = tmp_path / "keys", tmp_path / "secrets"
    keys.write_text("reader:read@shpo+default:reader-key-0123\n")
    secrets.write_text(SECRET)
    keys.chmod(0o644)
    secrets.chmod(0o600)
    env = api.settings(url) | {
        "BROADCAST_API_KEYS": None,
        "BROADCAST_API_KEYS_FILE": str(keys),
        "BROADCAST_WEBHOOK_SECRETS_FILE": str(secrets),
    }
    with api.started(tmp_path, env, "--host", "0.0.0.0", "--port", "0") as process:
        assert "plain HTTP and listens on 0.0.0.0" in process.output
        assert f"chmod o= {keys}" in process.output
        assert str(secrets) not in process.output
        assert "not in the settings: reader@shpo." in process.output
    keys.write_text("reader:read@default:reader-key-0123\n")
    keys.chmod(0o600)
    with api.started(tmp_path, env) as process:
        assert "plain HTTP" not in process.output
        assert "chmod" not in process.output
        assert "not in the settings" not in process.output


@pytest.mark.parametrize("sign", list("=+-@＝＋－＠"))
def test_no_spreadsheet_takes_a_line_of_a_list_for_a_formula(sign: str) -> None:
    table = b"".join(tables.skipped_csv([Skipped(reason="malformed", lines=[(3, f"{sign}1|x!")])]))

    assert f"\n'{sign}1|x!,3,".encode() in table


@dataclass(frozen=True, slots=True)
class Skipped:
    """Lines that were left out."""

    reason: str
    lines: Sequence[tuple[int, str]]
