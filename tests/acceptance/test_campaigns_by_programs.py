"""Campaigns of programs: run by HTTP and by Python, with real workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.rules.campaigns.launches import LaunchState, Verdict
from models.engine import now
from models.ledger.campaigns import campaign_rows, launch_rows
from models.ledger.gates import restores
from producer import Producer, RepeatedSendError
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.api import Program
    from tests.kit.system import System

TEXT = {"msgtype": "text", "text": {"content": "Live on {weekday_en}"}}
WEEKLY = {"cron": "0 20 * * 5", "content": TEXT, "audience": {"followers": True}}


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """A system with twelve followers, a worker and beat."""
    made = start_system(followers=12)
    made.broadcast("followers", "sync")
    made.worker(), made.beat()
    return made


def run(program: Program, *, key: str, **members: object) -> Any:
    """Ask for a run of now."""
    headers = {"Idempotency-Key": key}
    return program.ask("POST", "/v1/campaigns/weekly/run", members, headers=headers)


def test_a_run_by_http_is_sent_once_for_its_key_and_the_same_again_must_be_meant(
    system: System,
) -> None:
    program = system.api("--port", "0")
    made = program.ask("POST", "/v1/campaigns", {"name": "weekly", **WEEKLY})
    assert made.status_code == 201, made.text

    begun, repeated = (run(program, key="order-1").json() for _ in range(2))
    assert repeated["due_at"] == begun["due_at"]
    launched(program, 1)
    refused = run(program, key="order-2")
    assert (refused.status_code, refused.json()["type"].partition("#")[2]) == (
        409,
        "error.submit.repeated",
    )
    assert run(program, key="order-2", again=True).status_code == 200
    runs = launched(program, 2)

    for one in runs:
        system.until_state(one["broadcast"], "completed")
    assert set(system.simulator.ledger_dump().values()) == {2}
    shown = program.get("/v1/campaigns/weekly/runs").json()["runs"]
    assert [one["recipients"]["accepted"] for one in shown] == [12, 12]
    assert {one["broadcast_state"] for one in shown} == {"completed"}


def test_of_runs_asked_for_at_once_with_keys_of_their_own_one_is_sent(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=12)
    system.broadcast("followers", "sync")
    program = system.api("--port", "0")
    assert program.ask("POST", "/v1/campaigns", {"name": "weekly", **WEEKLY}).status_code == 201

    with ThreadPoolExecutor(4) as threads:
        asked = list(threads.map(lambda n: run(program, key=f"order-{n}"), range(4)))
    refused = [one.json() for one in asked if one.status_code != 200]
    # Two that passed each other before either was stored.
    campaign = campaign_rows.named(system.engine, "weekly")
    with system.engine.begin() as connection:
        moment = now(connection)
        launch_rows.add(
            connection,
            campaign,
            moment.replace(microsecond=1),
            verdict=Verdict(state=LaunchState.BEGUN),
            moment=moment,
            key="raced",
            released_at=moment,
            released_by="li",
        )
    system.worker(), system.beat()
    [run_of_all] = launched(program, 1)
    system.until_state(run_of_all["broadcast"], "completed")
    [held] = until(
        lambda: [one for one in runs(program) if one["state"] == "held"], 60, "a run to be held"
    )

    answers = [(one["status"], one["type"], one["field"]) for one in refused]
    assert answers == [(409, "/docs/errors#error.launch.repeated", "again")] * 3
    assert held["reason"]["code"] == "error.submit.repeated"
    assert set(system.simulator.ledger_dump().values()) == {1}


def runs(program: Program) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program.get("/v1/campaigns/weekly/runs").json()["runs"]
    return found


def launched(program: Program, count: int) -> list[dict[str, Any]]:
    """Wait until so many runs are launched; return them."""

    def runs() -> list[dict[str, Any]] | None:
        every = program.get("/v1/campaigns/weekly/runs").json()["runs"]
        found = [one for one in every if one["state"] == "launched"]
        return found if len(found) == count else None

    found = until(runs, 60, f"{count} runs that are launched")
    assert found is not None
    return found


def test_the_next_run_is_rehearsed_and_tried_and_nothing_is_sent(
    start_system: StartSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = start_system(followers=12)
    restores.note_seen(system.engine)
    program = system.api("--port", "0")
    made = program.ask("POST", "/v1/campaigns", {"name": "weekly", **WEEKLY}).json()
    for name, value in system.env.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(system.folder)

    def rehearsed() -> list[list[str]]:
        told = program.ask("POST", "/v1/campaigns/weekly/rehearse").json()
        assert told["due_at"] == made["next"][0]
        assert told["in_the_way"] is bool(told["findings"])
        with Producer("shop") as shop:
            found = shop.campaigns.rehearse("weekly")
        return [[one["code"] for one in told["findings"]], [one.id for one in found]]

    assert rehearsed() == [["error.plan.never_synced"]] * 2
    refused = program.ask("POST", "/v1/campaigns/weekly/plan").json()
    assert refused["type"].endswith("plan.never_synced")

    system.broadcast("followers", "sync")
    assert rehearsed() == [[], []]
    plan = program.ask("POST", "/v1/campaigns/weekly/plan").json()
    assert (plan["fits"], plan["recipients"], plan["quota"] is None) == (True, 12, False)
    assert program.get("/v1/campaigns/weekly/runs").json()["runs"] == []
    assert (system.all_reports(), system.simulator.mass_calls()) == ([], [])

    program.ask("POST", "/v1/campaigns/weekly/disable")
    off = program.ask("POST", "/v1/campaigns/weekly/rehearse")
    assert (off.status_code, "has no run to come" in off.json()["detail"]) == (422, True)


def test_a_campaign_of_a_file_is_run_by_the_command_where_its_file_is(system: System) -> None:
    people = system.simulator.openids(4)
    (system.folder / "list.txt").write_text("\n".join(people) + "\n", "ascii")
    system.broadcast(
        "campaigns",
        "add",
        "weekly",
        "--openids",
        "list.txt",
        "--text",
        "hello",
        "--cron",
        "0 20 * * 5",
    )
    program = system.api("--port", "0")

    refused = run(program, key="order-1")
    for what in ("rehearse", "plan"):
        alone = program.ask("POST", f"/v1/campaigns/weekly/{what}")
        assert alone.json()["type"].endswith("campaign.run_file")
    edited = program.ask("PATCH", "/v1/campaigns/weekly", {"cron": "0 19 * * 5"}).json()

    assert refused.json()["type"].endswith("campaign.run_file")
    assert edited["audience_file"] == str(system.folder / "list.txt")
    assert edited["request"]["audience"] == {"upload": True}


def test_a_python_program_adds_runs_and_removes_a_campaign(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in system.env.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(system.folder)
    with Producer("shop") as shop:
        campaigns = shop.campaigns
        last = f"{datetime.now(UTC).year + 5}-12-31"
        made = campaigns.add("weekly", {**WEEKLY, "until": last})  # type: ignore[typeddict-item]
        begun = campaigns.run("weekly", key="order-1")
        assert campaigns.run("weekly", key="order-1").id == begun.id
        until(lambda: campaigns.runs("weekly")[0].state is LaunchState.LAUNCHED, 60, "a launch")
        [launch] = campaigns.runs("weekly")
        assert launch.broadcast_id is not None
        system.until_state(launch.broadcast_id, "completed")
        assert shop.status(launch.broadcast_id).recipients["accepted"] == 12
        with pytest.raises(RepeatedSendError):
            campaigns.run("weekly", key="order-2")
        edited = campaigns.edit("weekly", {"until": "none"}, version=made.version)
        assert (edited.version, edited.plan.schedule.last) == (2, None)
        campaigns.remove("weekly")
        assert list(campaigns.list()) == []
    assert set(system.simulator.ledger_dump().values()) == {1}
