"""Live progress: every change is heard of, whoever breaks off goes on, and the end is an end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import requests

from tests.integration.api.conftest import Served
from tests.kit import api, documented
from tests.kit.api import Program


def _submitted(program: Program, key: str) -> str:
    told = program.submit(api.people(2, seed=key), key=key, account="main")
    return f"/v1/broadcasts/{told.json()['id']}"


def _open(program: Program, where: str, last: str | None = None) -> requests.Response:
    headers = {} if last is None else {"Last-Event-ID": last}
    return program.ask("GET", f"{where}/events", headers=headers, stream=True)


def _events(stream: requests.Response) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the id and the data of each event."""
    name = ""
    for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
        if line.startswith("id: "):
            name = line[4:]
        elif line.startswith("data: "):
            told = json.loads(line[6:])
            documented.fits({"$ref": "#/components/schemas/BroadcastInAList"}, told)
            yield name, told


def test_each_change_is_an_event_and_the_end_ends_the_stream(program: Program) -> None:
    where = _submitted(program, "events")
    with _open(program, where) as stream:
        events = _events(stream)
        seen = [next(events)]
        for word in ("pause", "resume", "cancel"):
            program.ask("POST", f"{where}/{word}")
            seen.append(next(events))
        assert list(events) == []

    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert [data["state"] for _, data in seen] == ["planning", "paused", "planning", "cancelled"]
    assert len({name for name, _ in seen}) == 4
    assert "batch_list" not in seen[0][1]
    assert _open(program, where, last=seen[-1][0]).status_code == 204


def test_who_breaks_off_goes_on_with_what_changed_meanwhile(program: Program) -> None:
    where = _submitted(program, "broken off")
    with _open(program, where) as stream:
        last, _ = next(_events(stream))
    program.ask("POST", f"{where}/pause")
    program.ask("POST", f"{where}/cancel")

    with _open(program, where, last=last) as stream:
        seen = list(_events(stream))

    assert [data["state"] for _, data in seen] == ["cancelled"]
    with _open(program, where, last="of another time") as stream:
        assert [name for name, _ in _events(stream)] == [seen[0][0]]


def test_a_stream_is_for_who_may_look(served: Served, program: Program) -> None:
    where = _submitted(program, "not theirs")

    assert _open(served.program("of-shop-key-0123"), where).status_code == 404
    assert _open(served.program("submitter-key-0123"), where).status_code == 403
    assert _open(program, "/v1/broadcasts/nobody").status_code == 404
