"""`reconcile` asks the real mass/get, stores what it answers, and names what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.conftest import sets_of
from tests.kit.endpoints import MASS_GET

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem


def test_what_mass_get_answers_is_stored_and_what_it_refused_is_named(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=40)
    system.worker()
    system.simulator.set_switches(job_delay_s=0)
    done = system.send(system.simulator.openids(20), "--wait")["id"]

    agreed = system.broadcast("reconcile")
    assert "Ended without counts: 1;" in agreed.stdout
    assert "No differences." in agreed.stdout
    assert system.report(done).batches["finished"] == 1
    assert len(system.simulator.calls(path=MASS_GET)) == 1
    system.broadcast("reconcile")
    assert len(system.simulator.calls(path=MASS_GET)) == 1

    system.simulator.set_switches(job_status="SEND_FAIL")
    failed = system.send(system.simulator.openids(20), "--wait", "--again", "--key", "two")["id"]
    differs = system.broadcast("reconcile", "--day", "today", "--account", "default", status=1)

    assert f"Batch 1 of {failed} (msg_id" in differs.stdout
    assert "reports that the job failed" in " ".join(differs.stdout.split())
    report = system.report(failed)
    assert (report.state, sets_of(report)) == ("failed", {"refused": 20})
