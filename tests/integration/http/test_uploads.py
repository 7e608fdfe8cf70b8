"""Long lists: streamed, stored whole or not at all, and once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from sqlalchemy import func, select

from broadcast.crashpoints import Point
from broadcast.rules.plan.audience import OpenIDs
from models.every_table import ChunkRow
from models.ledger.lists import uploads
from models.ledger.steer import sweeps
from models.ledger.submit import awaited_lists
from producer.audience import openid_list
from tests.integration.http.conftest import Served
from tests.kit import api, ledger, template
from tests.kit.api import Program
from tests.kit.wait import until

PLAIN = {"Content-Type": "text/plain"}
WAITS = "/docs/errors#error.api.uploading"
GONE = "/docs/errors#error.api.removed"
NO_EXCLUSION = "/docs/errors#error.api.no_such_exclusion"


def _reserve(program: Program, key: str, **members: object) -> requests.Response:
    body = {"account": "main", "content": api.TEXT, "audience": {"upload": True}, **members}
    return program.ask("POST", "/v1/broadcasts", body, headers={"Idempotency-Key": key})


def _put(
    program: Program, broadcast_id: str, openids: list[str], **headers: str
) -> requests.Response:
    return program.ask(
        "PUT",
        f"/v1/broadcasts/{broadcast_id}/audience",
        data="\n".join(openids).encode(),
        headers={**PLAIN, **headers},
    )


def test_a_list_comes_after_its_broadcast(program: Program) -> None:
    mine = api.people(2_500, seed="later")
    first, again = (_reserve(program, "later", title="周五") for _ in range(2))
    broadcast_id = first.json()["id"]
    awaited = program.get(f"/v1/broadcasts/{broadcast_id}").json()
    early = program.get(f"/v1/broadcasts/{broadcast_id}/audit")
    stored = _put(program, broadcast_id, mine)
    same = _put(program, broadcast_id, mine[::-1])
    other = _put(program, broadcast_id, mine[1:])
    late = _reserve(program, "later", title="周五")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == broadcast_id
    assert (awaited["state"], awaited["title"]) == ("uploading", "周五")
    assert (early.status_code, early.json()["type"]) == (409, WAITS)
    assert (stored.status_code, same.status_code, other.status_code) == (201, 200, 409)
    assert (other.json()["field"], broadcast_id in other.json()["detail"]) == ("audience", True)
    assert stored.json()["id"] == same.json()["id"] == broadcast_id
    assert stored.json()["audience"]["planned"] == 2_500
    assert stored.json()["state"] == "planning"
    assert (late.status_code, late.json()["state"]) == (200, "planning")
    rows = program.get(f"/v1/broadcasts/{broadcast_id}/recipients", set="waiting", format="csv")
    assert len(rows.text.splitlines()) == 2_501
    assert program.get(f"/v1/broadcasts/{broadcast_id}/audit").json()["ok"] is True


def test_a_repeat_is_answered_as_the_first_one_also_after_its_time(program: Program) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=8)
    first = _reserve(program, "soon", at=soon.isoformat())
    until(lambda: datetime.now(UTC) > soon, 60, "its time")

    late = _reserve(program, "soon", at=soon.isoformat())

    assert (first.status_code, late.status_code) == (201, 200)
    assert late.json()["id"] == first.json()["id"]
    assert _reserve(program, "too late", at=soon.isoformat()).status_code == 422


def test_a_key_whose_broadcast_was_removed_is_answered_as_such(
    served: Served, program: Program
) -> None:
    earlier = program.submit(api.people(9, seed="was"), key="was", account="main").json()["id"]
    members = {"exclude": [f"broadcast:{earlier}"]}
    broadcast_id = _reserve(program, "gone", **members).json()["id"]
    _put(program, broadcast_id, api.people(3, seed="gone"))
    for one in (broadcast_id, earlier):
        ledger.prune(served.engine, one)

    again = _reserve(program, "gone", **members)

    assert (again.status_code, again.json()["type"]) == (410, GONE)
    assert _put(program, broadcast_id, api.people(3, seed="gone")).status_code == 404
    assert _reserve(program, "gone").status_code == 409


def test_a_broadcast_of_another_account_does_not_exist_for_an_exclusion(
    served: Served, program: Program
) -> None:
    other = program.submit(api.people(9, seed="hidden"), key="hidden", account="main").json()["id"]
    of_shop = served.program("of-shop-key-0123")

    refused = [
        _reserve(of_shop, "hidden", account="shop", exclude=[f"broadcast:{one}"])
        for one in (other, "20200101-nobody")
    ]

    assert [(one.status_code, one.json()["type"]) for one in refused] == [(422, NO_EXCLUSION)] * 2


def test_a_broadcast_that_waits_for_its_list_cannot_be_excluded(program: Program) -> None:
    awaited = _reserve(program, "not yet").json()["id"]
    people, exclude = api.people(3, seed="not yet"), [f"broadcast:{awaited}"]
    plan = {"account": "main", "content": api.TEXT, "audience": {"openids": people}}

    refused = [
        program.submit(people, key="but them", account="main", exclude=exclude),
        program.ask("POST", "/v1/plans", {**plan, "exclude": exclude}),
        _reserve(program, "but them", exclude=exclude),
    ]

    for one in refused:
        assert (one.status_code, one.json()["field"]) == (422, "exclude.0")
        assert one.json()["type"] == "/docs/errors#error.exclude.awaited"
    assert program.get("/v1/broadcasts", key="but them").json()["broadcasts"] == []


def test_the_key_of_an_awaited_list_has_no_other_body(program: Program) -> None:
    mine = api.people(3, seed="other")
    _reserve(program, "awaited")
    inline = program.submit(mine, key="inline", account="main")

    assert _reserve(program, "awaited", title="another").status_code == 409
    assert program.submit(mine, key="awaited", account="main", again=True).status_code == 409
    assert _reserve(program, "inline").status_code == 409
    assert inline.status_code == 201


def test_what_takes_no_upload_says_so(program: Program) -> None:
    inline = program.submit(api.people(2, seed="none"), key="no-upload", account="main").json()

    none = _put(program, inline["id"], api.people(2))
    assert (none.status_code, none.json()["field"]) == (409, "audience")
    assert _put(program, "nobody", api.people(2)).status_code == 404
    assert _reserve(program, "past", at="2020-01-01 10:00").json()["field"] == "at"


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"", {}, 422),
        (b"x\ny\n", {}, 422),
        (b"oApi000000000000000000000001\n", {}, 422),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"x", {"Content-Encoding": "gzip"}, 415),
        (b"\xff\xfe\x00" * 50, {}, 422),
        (b"\x1f\x8b\x08\0 packed", {}, 415),
        (b"PK\x03\x04 a workbook", {}, 415),
    ],
)
def test_a_list_that_is_refused_can_be_replaced(
    program: Program, data: bytes, headers: dict[str, str], status: int
) -> None:
    broadcast_id = _reserve(program, f"refused {data[:5]!r} {headers}").json()["id"]
    told = program.ask(
        "PUT", f"/v1/broadcasts/{broadcast_id}/audience", data=data, headers={**PLAIN, **headers}
    )

    assert told.status_code == status
    assert told.json()["fix"]
    assert "broadcast-upload" not in told.json()["detail"]
    assert program.get(f"/v1/broadcasts/{broadcast_id}").json()["state"] == "uploading"
    good = api.people(3, seed=f"{data!r}{headers}")
    assert _put(program, broadcast_id, good).status_code == 201


def test_an_upload_that_is_cut_off_leaves_nothing_and_is_repeated(
    served: Served, program: Program
) -> None:
    mine = api.people(50_000, seed="cut")
    broadcast_id = _reserve(program, "cut").json()["id"]
    parts = urlsplit(served.url)
    for chunked in (True, False):
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
            framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1450000"
            connection.sendall(
                f"PUT /v1/broadcasts/{broadcast_id}/audience HTTP/1.1\r\nHost: a\r\n"
                f"Authorization: Bearer {api.KEY}\r\n"
                f"Content-Type: text/plain\r\n{framing}\r\n\r\n".encode()
            )
            data = "\n".join(mine[:20_000]).encode()
            connection.sendall(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
    cut = f"PUT /v1/broadcasts/{broadcast_id}/audience with 400"
    until(lambda: served.process.output.count(cut) == 2, 10, "both ends to be noticed")

    assert _chunks(served, broadcast_id) == 0
    assert program.get(f"/v1/broadcasts/{broadcast_id}").json()["state"] == "uploading"
    assert _put(program, broadcast_id, mine).json()["audience"]["planned"] == 50_000


def test_a_server_without_room_for_a_list_is_not_the_lists_fault(tmp_path: Path) -> None:
    url, room = f"sqlite:///{tmp_path / 'broadcast.db'}", tmp_path / "room"
    template.migrated(url).dispose()
    room.mkdir()
    with api.started(tmp_path, api.settings(url) | {"TMPDIR": str(room)}) as process:
        program = Program(url=api.url_of(process))
        broadcast_id = _reserve(program, "room", account="default").json()["id"]
        # The first one finds out where its temporary files are.
        empty = _put(program, broadcast_id, [])
        room.rmdir()
        full = _put(program, broadcast_id, api.people(3))
        room.mkdir()
        stored = _put(program, broadcast_id, api.people(3))

    assert (empty.status_code, full.status_code, stored.status_code) == (422, 503, 201)
    assert full.headers["Retry-After"]
    assert full.json()["type"].endswith("error.audience.no_room")


def _chunks(served: Served, broadcast_id: str) -> int:
    with served.engine.connect() as connection:
        query = select(func.count()).select_from(ChunkRow)
        return connection.scalar(query.where(ChunkRow.broadcast_id == broadcast_id)) or 0


@pytest.mark.every_database
def test_two_uploads_at_once_are_one_broadcast(fresh_url: str, tmp_path: Path) -> None:
    """By two processes on one database; half of the programs have another list."""
    lists = [api.people(30_000, seed="at once"), api.people(30_001, seed="at once")]
    env = api.settings(fresh_url)
    with api.started(tmp_path, env) as one, api.started(tmp_path, env) as other:
        programs = [Program(url=api.url_of(process)) for process in (one, other)]
        body = {"content": api.TEXT, "audience": {"upload": True}}
        with ThreadPoolExecutor(8) as pool:
            reserved = list(
                pool.map(
                    lambda n: programs[n % 2].ask(
                        "POST", "/v1/broadcasts", body, headers={"Idempotency-Key": "at once"}
                    ),
                    range(8),
                )
            )
            [broadcast_id] = {told.json()["id"] for told in reserved}
            told = list(
                pool.map(
                    lambda n: _put(Program(url=programs[n % 2].url), broadcast_id, lists[n // 4]),
                    range(8),
                )
            )
        stands = programs[0].get(f"/v1/broadcasts/{broadcast_id}").json()
        sets = programs[0].get(f"/v1/broadcasts/{broadcast_id}/recipients", set="waiting")

    assert sorted(told.status_code for told in reserved) == [200] * 7 + [201]
    found = [one.status_code for one in told]
    assert found.count(201) == 1
    assert set(found) <= {200, 201, 409}
    winner = lists[found.index(201) // 4]
    assert stands["audience"]["planned"] == len(winner)
    assert len(sets.text.splitlines()) == len(winner)
    assert {n // 4 for n, status in enumerate(found) if status != 409} == {found.index(201) // 4}


def test_while_a_list_is_stored_the_same_waits_and_another_is_refused(
    served: Served, program: Program
) -> None:
    mine = api.people(5, seed="at it")
    broadcast_id = _reserve(program, "at it").json()["id"]
    with openid_list.read(mine) as listed:
        body = replace(
            ledger.body(owner=ledger.account("main"), key="at it"),
            reserved=broadcast_id,
            audience=OpenIDs(digest=listed.digest),
        )
        fence = awaited_lists.begin(served.engine, broadcast_id, body)
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(_put, served.program(), broadcast_id, mine)
            other = _put(program, broadcast_id, mine[1:])
            # Nobody took over.
            uploads.add_chunks(served.engine, broadcast_id, listed.chunks(), fence=fence)
            assert not waits.done()
            awaited_lists.stop(served.engine, broadcast_id, fence)

    assert (other.status_code, other.json()["field"]) == (409, "audience")
    assert int(other.headers["Retry-After"]) > 0
    assert waits.result().status_code == 201
    assert program.get(f"/v1/broadcasts/{broadcast_id}").json()["audience"]["planned"] == 5


def test_a_server_that_is_killed_amid_a_list_leaves_it_awaited(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    engine = template.migrated(url)
    room = tmp_path / "room"
    room.mkdir()
    mine, env = api.people(9, seed="killed"), api.settings(url) | {"TMPDIR": str(room)}
    crash = {"BROADCAST_CRASH_AT": Point.SUBMIT_STORED}
    with api.started(tmp_path, env | crash) as process:
        program = Program(url=api.url_of(process))
        broadcast_id = _reserve(program, "killed", account="default").json()["id"]
        with pytest.raises(requests.ConnectionError):
            _put(program, broadcast_id, mine)
    # No list of people stays on the disk that nobody knows of.
    assert list(room.iterdir()) == []
    ledger.pass_time(engine, timedelta(hours=23))
    assert sweeps.forget_uploads(engine) == 0
    with api.started(tmp_path, env) as process:
        program = Program(url=api.url_of(process))
        told = _put(program, broadcast_id, mine)
        again = _reserve(program, "killed", account="default")
    engine.dispose()

    assert (told.status_code, told.json()["audience"]["planned"]) == (201, 9)
    assert (again.status_code, again.json()["id"]) == (200, broadcast_id)


def test_a_million_openids_cost_the_process_little_memory(served: Served, program: Program) -> None:
    broadcast_id = _reserve(program, "million").json()["id"]
    _put(program, _reserve(program, "warm").json()["id"], api.people(1_000, seed="warm"))
    process = psutil.Process(served.process.pid)
    before, seen = process.memory_info().rss, 0

    def lines() -> Iterator[bytes]:
        nonlocal seen
        for start in range(0, 1_000_000, 10_000):
            yield "".join(f"oMillion{n:020}\n" for n in range(start, start + 10_000)).encode()
            seen = max(seen, process.memory_info().rss)

    with ThreadPoolExecutor(1) as pool:
        telling = pool.submit(
            program.ask,
            "PUT",
            f"/v1/broadcasts/{broadcast_id}/audience",
            data=lines(),
            headers=PLAIN,
        )
        while not telling.done():
            seen = max(seen, process.memory_info().rss)
        told = telling.result()

    assert told.status_code == 201
    assert told.json()["audience"]["planned"] == 1_000_000
    grown = (seen - before) / 1e6
    print(f"grown by {grown:.1f} MB")
    assert grown < 50
