"""Live progress: every change is heard of, whoever breaks off goes on, and the end is an end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import requests

from entrypoints.http.routes.events import MOST_OF_A_KEY
from models.ledger.steer import operator
from tests.integration.http.conftest import KEYS, Served
from tests.kit import api, documented
from tests.kit.api import Program


def _submitted(program: Program, key: str) -> str:
    told = program.submit(api.people(2, seed=key), key=key, account="main")
    return f"/v1/broadcasts/{told.json()['id']}"


def _open(program: Program, where: str, last: str | None = None) -> requests.Response:
    headers = {} if last is None else {"Last-Event-ID": last}
    return program.ask("GET", f"{where}/events", headers=headers, stream=True)


def _events(stream: requests.Response) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Yield the id, the kind and the data of each event."""
    said: dict[str, str] = {}
    for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(": ")
        if name == "data":
            told = json.loads(value)
            if said["event"] == "broadcast":
                documented.fits({"$ref": "#/components/schemas/BroadcastInAList"}, told)
            yield said["id"], said["event"], told
        elif name:
            said[name] = value


def _seen(events: Iterator[tuple[str, str, dict[str, object]]]) -> tuple[str, str, object]:
    """Return the next event's id, kind and state."""
    name, kind, data = next(events)
    return name, kind, data["state"]


def test_each_change_is_an_event_and_the_end_ends_the_stream(program: Program) -> None:
    where = _submitted(program, "events")
    with _open(program, where) as stream:
        events = _events(stream)
        name, kind, data = next(events)
        assert (kind, data["state"]) == ("broadcast", "planning")
        assert "batch_list" not in data
        names = [name]
        for word, state in (("pause", "paused"), ("resume", "planning"), ("cancel", "cancelled")):
            program.ask("POST", f"{where}/{word}")
            seen = [_seen(events), _seen(events)]
            assert [one[1:] for one in seen] == [("state", state), ("broadcast", state)]
            names += [one[0] for one in seen]
        assert list(events) == []

    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert len(set(names)) == 7
    assert _open(program, where, last=names[-1]).status_code == 204
    # Who broke off between the two has the figures to come.
    with _open(program, where, last=names[-2]) as stream:
        assert [name for name, *_ in _events(stream)] == names[-1:]


def test_who_breaks_off_misses_no_state_however_short_it_was(
    served: Served, program: Program
) -> None:
    where = _submitted(program, "broken off")
    broadcast_id = where.rpartition("/")[2]
    with _open(program, where) as stream:
        events = _events(stream)
        last, _, _ = next(events)
        # One behind the other, much faster than anybody looks.
        for work in (operator.pause, operator.resume):
            work(served.engine, broadcast_id, who="test")
        operator.halt(served.engine, "main", who="test")
        operator.unhalt(served.engine, "main", who="test")
        operator.cancel(served.engine, broadcast_id, who="test")
        live = [(kind, data["state"]) for _, kind, data in events]

    with _open(program, where, last=last) as stream:
        seen = list(_events(stream))

    states = ["paused", "planning", "held", "planning", "cancelled"]
    assert [state for kind, state in live if kind == "state"] == states
    assert [data["state"] for _, kind, data in seen if kind == "state"] == states
    assert live[-1] == ("broadcast", "cancelled")
    assert [kind for _, kind, _ in seen] == ["state"] * 5 + ["broadcast"]
    with _open(program, where, last=seen[1][0]) as stream:
        assert list(_events(stream)) == seen[2:]
    with _open(program, where, last="of another time") as stream:
        assert list(_events(stream)) == seen[-1:]


def test_a_stream_ends_with_what_its_key_may_see(served: Served) -> None:
    where = _submitted(served.program(), "narrowed")
    file = served.folder / "keys"
    try:
        for n, rights in enumerate(("read@shop", "submit")):
            key = f"narrowed-key-{n}"
            file.write_text(f"{KEYS}narrow:read@main:{key}\n")
            with _open(served.program(key), where) as stream:
                events = _events(stream)
                next(events)
                file.write_text(f"{KEYS}narrow:{rights}:{key}\n")
                assert list(events) == []
    finally:
        file.write_text(KEYS)


def test_a_stream_is_for_who_may_look(served: Served, program: Program) -> None:
    where = _submitted(program, "not theirs")

    assert _open(served.program("of-shop-key-0123"), where).status_code == 404
    assert _open(served.program("submitter-key-0123"), where).status_code == 403
    assert _open(program, "/v1/broadcasts/nobody").status_code == 404


def test_streams_of_one_key_leave_places_to_others_and_take_none_of_requests(
    served: Served, program: Program
) -> None:
    where = _submitted(program, "many streams")
    with contextlib.ExitStack() as open_:
        # A reader that is thrown away would close its stream.
        readers = [
            _events(open_.enter_context(_open(program, where))) for _ in range(MOST_OF_A_KEY)
        ]
        assert {next(reader)[1] for reader in readers} == {"broadcast"}
        refused = open_.enter_context(_open(program, where))
        other = open_.enter_context(_open(served.program("reader-key-0123"), where))

        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        assert refused.json()["type"].endswith("error.api.busy_events")
        assert other.status_code == 200
