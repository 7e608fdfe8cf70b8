"""Whatever slow callers do, the others are answered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine, select

from broadcast.rules import api_keys
from broadcast.rules.api_keys import APIKey, Scope
from entrypoints.http.uploading import MOST_AT_ONCE, MOST_OF_A_KEY
from models.engine import open_engine
from models.every_table import BroadcastRow
from models.ledger.boxes import api_keys as stored_keys
from tests.integration.http.conftest import Served
from tests.kit import api
from tests.kit.api import Program
from tests.kit.wait import until

OTHER = "key-of-another-program-0123456789"


@contextmanager
def _nobody_stores(engine: Engine) -> Iterator[None]:
    """Hold the rows of every broadcast; SQLite has one lock for all that is written."""
    with engine.begin() as connection:
        connection.execute(select(BroadcastRow.id).with_for_update()).all()
        yield


def test_as_many_uploads_as_there_may_be_stop_nobody_else(fresh_url: str, tmp_path: Path) -> None:
    # The server is to bear with whoever holds the rows, however slow the machine is.
    folder, engine = tmp_path / "temporary", open_engine(fresh_url, patient=True)
    folder.mkdir()
    env = {
        **api.settings(fresh_url),
        "TMPDIR": str(folder),
        "BROADCAST_API_KEYS": f"{api.KEY}\nother:submit:{OTHER}",
    }
    keys = [api.KEY] * MOST_OF_A_KEY + [OTHER] * (MOST_AT_ONCE - MOST_OF_A_KEY)
    people = api.people(2, seed="slow")
    with api.started(tmp_path, env) as process, ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        program = Program(url=api.url_of(process))
        there = program.submit(people, key="there").json()["id"]
        waiting = [_reserved(program, f"upload {n}") for n in range(MOST_AT_ONCE)]
        more = _reserved(program, "one too many")
        with _nobody_stores(engine):
            storing = [
                pool.submit(_uploaded, Program(url=program.url, key=key), one, one)
                for key, one in zip(keys, waiting, strict=True)
            ]
            until(lambda: _lists(process.pid, folder) == MOST_AT_ONCE, 10, "every list")
            looks = [program.get(f"/v1/broadcasts/{there}").status_code for _ in range(20)]
            looks.append(program.get("/readyz").status_code)
            assert _uploaded(program, more, "more") == 503
            if engine.dialect.name != "sqlite":
                made = program.submit(api.people(2, seed="meanwhile"), key="meanwhile")
                assert made.status_code == 201
            assert not any(one.done() for one in storing)
        assert [one.result() for one in storing] == [201] * MOST_AT_ONCE
    engine.dispose()

    assert set(looks) == {200}


def _lists(pid: int, folder: Path) -> int:
    """How many files without a name the process has open there."""
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        # It may have been closed meanwhile.
        with suppress(FileNotFoundError):
            found.add(one.readlink())
    return sum(one.is_relative_to(folder) for one in found)


def _reserved(program: Program, key: str) -> str:
    told = program.ask(
        "POST",
        "/v1/broadcasts",
        {"content": api.TEXT, "audience": {"upload": True}},
        headers={"Idempotency-Key": key},
    )
    found: str = told.json()["id"]
    return found


def _uploaded(program: Program, broadcast_id: str, seed: str) -> int:
    return program.ask(
        "PUT",
        f"/v1/broadcasts/{broadcast_id}/audience",
        data="\n".join(api.people(2, seed=seed)).encode(),
        headers={"Content-Type": "text/plain"},
    ).status_code


def test_a_key_is_good_as_soon_as_it_was_made(served: Served) -> None:
    assert served.program().get("/v1/accounts").status_code == 200
    for _ in range(5):
        new = api_keys.new_key()
        made = APIKey(
            name="new", scopes=frozenset({Scope.READ}), accounts=None, digest=api_keys.digest(new)
        )
        stored_keys.add(served.engine, made, who="test")
        assert served.program(new).get("/v1/accounts").status_code == 200
