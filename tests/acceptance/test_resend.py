"""A content that WeChat refuses in the middle: what `status` advises reaches the rest, and once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.endpoints import MASS_SEND

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Six followers in batches of two."""
    system = start_system(followers=6, BROADCAST_BATCH_SIZE="2", BROADCAST_WAIT_SCALE="0.01")
    system.worker()
    # A resume wakes nobody but the sweep.
    system.beat()
    return system


def sets_of(report: dict[str, Any]) -> dict[str, int]:
    """Return the sets that hold anybody."""
    return {name: count for name, count in report["recipients"].items() if count}


def advice(system: System, broadcast_id: str) -> str:
    """Return the lines of commands that `status` names for the rest."""
    shown = system.broadcast("status", broadcast_id).stdout
    assert "send it as a new broadcast" not in shown
    [lines] = re.findall("\n    (broadcast (?:.*\n    )*.*rest.txt --text TEXT)", shown)
    return str(lines)


def follow(system: System, commands: str) -> None:
    """Do as a person does: paste the line, with a text of one's own."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", commands.replace("--text TEXT", "--text corrected --wait")],
        env={**os.environ, **system.env, "PATH": path},
        cwd=system.folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_that_status_names_send_the_corrected_content_to_the_rest_alone(
    system: System,
) -> None:
    openids = system.simulator.openids(6)
    system.simulator.fault("errcode", errcode=40007, when="before", path=MASS_SEND, skip=1, count=1)
    report = system.send(openids, "--wait", status=1)
    assert sets_of(report) == {"accepted": 2, "refused": 2, "waiting": 2}
    assert report["blockers"][0]["reason"] == "content_refused"

    follow(system, advice(system, report["id"]))

    rest = (system.folder / "rest.txt").read_text(encoding="ascii").split()
    assert len(rest) == len(set(rest)) == 4
    assert system.simulator.ledger() == {
        "delivered_distinct": 6,
        "deliveries": 6,
        "delivered_max": 1,
        "doubled": 0,
    }


@pytest.mark.parametrize(("word", "errcode"), [("resume", 40007), ("retry", 48008)])
def test_no_program_sends_the_first_text_to_those_who_got_the_corrected_one(
    system: System, word: str, errcode: int
) -> None:
    """Only whoever says so on a command line has them get both."""
    program = system.api()
    system.simulator.fault(
        "errcode", errcode=errcode, when="before", path=MASS_SEND, skip=1, count=1
    )
    old = system.send(system.simulator.openids(6), "--wait", status=1)["id"]
    rest = system.broadcast("recipients", old, "--set", "waiting", "--set", "refused").stdout
    (system.folder / "rest.txt").write_text(rest, encoding="ascii")
    system.broadcast("send", "--openids", "rest.txt", "--text", "new", "--wait", "--yes")

    by_http = program.ask("POST", f"/v1/broadcasts/{old}/{word}")
    by_command = system.broadcast(word, old, status=2)

    assert by_http.status_code == 409
    assert by_http.json()["type"].endswith("#error.broadcast.newer")
    assert by_http.json()["detail"].endswith(f": broadcast {word} {old} --yes")
    assert f"broadcast {word} {old} --yes" in by_command.stderr
    assert system.simulator.ledger()["delivered_max"] == 1
    system.broadcast(word, old, "--yes")
    system.until_state(old, "completed", "partial")
    assert system.simulator.ledger()["delivered_max"] == 2


@pytest.mark.prove
def test_whoever_may_have_it_is_not_among_the_rest(system: System) -> None:
    """The first batch went out and its reply was lost; then its repeat and the next are refused."""
    system.simulator.fault("drop", when="after", path=MASS_SEND, count=1)
    system.simulator.fault("errcode", errcode=40007, when="before", path=MASS_SEND, skip=1, count=2)
    report = system.send(system.simulator.openids(6), "--wait", status=1)
    system.broadcast("resume", report["id"])
    system.broadcast("watch", report["id"], status=1)
    assert sets_of(report) == {"in_doubt": 2, "waiting": 4}

    follow(system, advice(system, report["id"]))

    assert len((system.folder / "rest.txt").read_text(encoding="ascii").split()) == 4
    assert system.simulator.ledger() == {
        "delivered_distinct": 6,
        "deliveries": 6,
        "delivered_max": 1,
        "doubled": 0,
    }
