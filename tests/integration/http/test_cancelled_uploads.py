"""A broadcast that waits for its list is cancelled by HTTP; who uploads then reads what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sqlalchemy import select, update

from broadcast.rules.plan.audience import OpenIDs
from models.every_table import ChunkRow, UploadRow
from models.ledger.lists import uploads
from models.ledger.submit import awaited_lists
from producer.audience import openid_list
from tests.integration.http.conftest import Served
from tests.kit import api, ledger
from tests.kit.api import Program

PLAIN = {"Content-Type": "text/plain"}
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
CANCELLED = "/docs/errors#error.submit.list_cancelled"


def _reserve(program: Program, key: str, **members: object) -> requests.Response:
    body = {"account": "main", "content": api.TEXT, "audience": {"upload": True}, **members}
    return program.ask("POST", "/v1/broadcasts", body, headers={"Idempotency-Key": key})


def _reserved(program: Program, key: str, **members: object) -> str:
    return str(_reserve(program, key, **members).json()["id"])


def _put(program: Program, broadcast_id: str, data: object) -> requests.Response:
    where = f"/v1/broadcasts/{broadcast_id}/audience"
    if isinstance(data, list):
        data = "\n".join(data).encode()
    return program.ask("PUT", where, data=data, headers=PLAIN)


def _say(program: Program, broadcast_id: str, word: str) -> requests.Response:
    return program.ask("POST", f"/v1/broadcasts/{broadcast_id}/{word}", {"why": "wrong list"})


def test_it_is_cancelled_and_shown_so_everywhere(program: Program) -> None:
    broadcast_id = _reserved(program, "off early", title="周五")
    where = f"/v1/broadcasts/{broadcast_id}"
    with program.ask("GET", f"{where}/events", stream=True) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        first = [next(lines) for _ in range(4)]
        told = _say(program, broadcast_id, "cancel")
        live = [line for line in lines if line.startswith("data: ")]

    assert '"state":"uploading"' in first[2]
    assert (told.status_code, told.json()["changed"]) == (200, True)
    assert [json.loads(line[6:])["state"] for line in live] == ["cancelled"] * 2
    assert _say(program, broadcast_id, "cancel").json()["changed"] is False
    stands = program.get(where).json()
    assert (stands["state"], stands["title"]) == ("cancelled", "周五")
    assert {*stands["audience"].values(), *stands["recipients"].values()} == {0}
    assert stands["operator_actions"][-1]["why"] == "wrong list"
    assert program.get(f"{where}/recipients", set=["cancelled", "waiting"]).text == ""
    assert program.get(f"{where}/audit").json()["ok"] is True
    for state, is_there in (("cancelled", True), ("uploading", False)):
        shown = program.get("/v1/broadcasts", state=state, key="off early").json()["broadcasts"]
        assert [one["id"] for one in shown] == [broadcast_id] * is_there


def test_its_key_answers_as_before_and_takes_neither_a_list_nor_another_body(
    program: Program,
) -> None:
    broadcast_id = _reserved(program, "kept off")
    _say(program, broadcast_id, "cancel")

    again, late = _reserve(program, "kept off"), _put(program, broadcast_id, api.people(3))

    assert (again.status_code, again.json()["id"]) == (200, broadcast_id)
    assert again.json()["state"] == "cancelled"
    assert (late.status_code, late.json()["type"]) == (409, CANCELLED)
    assert "another Idempotency-Key" in late.json()["fix"]
    for other in (
        _reserve(program, "kept off", title="another"),
        program.submit(api.people(3, seed="kept off"), key="kept off", account="main"),
    ):
        assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
        assert "to come" not in other.json()["detail"]


def test_no_other_word_is_for_what_waits_and_none_brings_it_back(program: Program) -> None:
    broadcast_id = _reserved(program, "words off")
    for word in ("pause", "resume", "retry"):
        waits = _say(program, broadcast_id, word)
        assert (waits.status_code, word in waits.json()["detail"]) == (409, False)
        assert "/cancel" in waits.json()["fix"]
    _say(program, broadcast_id, "cancel")

    said = {word: _say(program, broadcast_id, word) for word in ("pause", "resume", "retry")}

    assert {word: told.status_code for word, told in said.items()} == {
        "pause": 200,
        "resume": 409,
        "retry": 409,
    }
    assert said["pause"].json()["changed"] is False
    verdict = {"batch": 1, "sent": False}
    resolved = program.ask("POST", f"/v1/broadcasts/{broadcast_id}/resolve", verdict)
    assert (resolved.status_code, resolved.json()["field"]) == (422, "batch")


def _chunks(served: Served, broadcast_id: str) -> list[int]:
    with served.engine.connect() as connection:
        query = select(ChunkRow.id).where(ChunkRow.broadcast_id == broadcast_id)
        return list(connection.scalars(query))


def test_who_uploads_meanwhile_is_answered_that_it_was_cancelled(
    served: Served, program: Program
) -> None:
    """One stores the list in another process, one waits for that one, one has half of its body."""
    mine = api.people(5_000, seed="meanwhile")
    broadcast_id = _reserved(program, "meanwhile off")
    text = "\n".join(mine).encode()

    def halves() -> Iterator[bytes]:
        yield text[:70_000]
        assert _say(served.program(), broadcast_id, "cancel").status_code == 200
        yield text[70_000:]

    with openid_list.read(mine) as listed:
        body = replace(
            ledger.body(owner=ledger.account("main"), key="meanwhile off"),
            reserved=broadcast_id,
            audience=OpenIDs(digest=listed.digest),
        )
        fence = awaited_lists.begin(served.engine, broadcast_id, body)
        uploads.add_chunks(served.engine, broadcast_id, listed.chunks(), fence=fence)
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(_put, served.program(), broadcast_id, mine)
            late = _put(program, broadcast_id, halves())
            told = [late, waits.result()]

    assert [(one.status_code, one.json()["type"]) for one in told] == [(409, CANCELLED)] * 2
    assert _chunks(served, broadcast_id) == []
    assert program.get(f"/v1/broadcasts/{broadcast_id}/audit").json()["ok"] is True


@pytest.mark.parametrize(
    ("members", "edited", "field"),
    [
        ({"at": TOMORROW}, (TOMORROW, "2020-01-05T20:00:00+08:00"), "at"),
        ({}, None, "again"),
    ],
)
def test_a_request_that_can_no_longer_be_stored_is_cancelled_and_sent_under_another_key(
    served: Served,
    program: Program,
    members: dict[str, object],
    edited: tuple[str, str] | None,
    field: str,
) -> None:
    mine = api.people(3, seed=f"stuck off {field}")
    if field == "again":
        program.submit(mine, key="went out before", account="main")
    broadcast_id = _reserved(program, f"stuck off {field}", **members)
    if edited is not None:
        # As if its time had come meanwhile.
        with served.engine.begin() as connection:
            which = UploadRow.broadcast_id == broadcast_id
            request = connection.scalars(select(UploadRow.request).where(which)).one()
            assert edited[0] in request
            connection.execute(
                update(UploadRow).where(which).values(request=request.replace(*edited))
            )

    refused = _put(program, broadcast_id, mine)

    assert refused.json()["field"] == field
    assert f"POST /v1/broadcasts/{broadcast_id}/cancel" in refused.json()["fix"]
    assert "same Idempotency-Key" not in refused.json()["fix"]
    assert program.get(f"/v1/broadcasts/{broadcast_id}").json()["state"] == "uploading"
    assert _say(program, broadcast_id, "cancel").json()["changed"] is True
    anew = _reserved(program, f"anew off {field}", again=True)
    assert _put(program, anew, mine).status_code == 201


def test_a_list_that_does_not_fit_is_followed_by_one_that_does(program: Program) -> None:
    broadcast_id = _reserved(program, "sampled off", sample="50%")

    refused = _put(program, broadcast_id, api.people(2, seed="sampled"))
    wrong = _put(program, broadcast_id, b"x\n")

    assert refused.status_code == 422
    assert "Upload another list to the same address" in refused.json()["fix"]
    assert f"/v1/broadcasts/{broadcast_id}/cancel" in refused.json()["fix"]
    assert "upload it again, to the same address" in wrong.json()["fix"]
    assert _put(program, broadcast_id, api.people(40, seed="sampled")).status_code == 201
