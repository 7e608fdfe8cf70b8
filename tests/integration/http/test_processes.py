"""Two processes behind one port."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broadcast.errors import OutOfReachError
from entrypoints.cli.listening import bound
from tests.kit import api, template
from tests.kit.api import Program
from tests.kit.processes import RunningProcess
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK, free_port


def served(*processes: RunningProcess) -> list[int]:
    """Return how many submits each process has answered."""
    return [one.output.count("POST /v1/broadcasts with 20") for one in processes]


def test_two_processes_share_a_port_and_one_is_enough(tmp_path: Path) -> None:
    url, port = f"sqlite:///{tmp_path / 'broadcast.db'}", free_port()
    template.migrated(url).dispose()
    env, people = api.settings(url), api.people(20, seed="one port")
    words = ("--port", str(port), "--reuse-port")

    def submit(_: int) -> tuple[int, str]:
        told = Program(url=f"http://{LOOPBACK}:{port}").submit(people, key="one port")
        return told.status_code, told.json()["id"]

    with api.started(tmp_path, env, *words) as one, api.started(tmp_path, env, *words) as other:
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(submit, range(50)))
        # The line of a request is written after its answer.
        until(lambda: sum(served(one, other)) == len(answers), 10, "a line of each request")
        shares = served(one, other)
        # One that does not share takes nothing from those that do.
        with pytest.raises(OutOfReachError):
            bound(LOOPBACK, port)
        one.kill()
        after = {submit(n) for n in range(10)}

    assert Counter(status for status, _ in answers) == {201: 1, 200: 49}
    assert len({broadcast_id for _, broadcast_id in answers}) == 1
    assert min(shares) > 0
    assert after == {(200, answers[0][1])}
