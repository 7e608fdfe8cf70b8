"""The programs of examples/apps run as their first lines say, beside a real worker."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.kit.processes import ROOT, python_module
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.fixtures import Launch

APPS = ROOT / "examples" / "apps"
TEXT = "您好，周五停机"


#: The account's settings are the workers' alone.
NO_ACCOUNT = {"BROADCAST_ACCOUNTS_FILE": None}


def started(
    system: System, launch: Launch, command: Sequence[str | Path], port: int, **settings: None
) -> str:
    """Start an app with the settings of the system; return its address."""
    env = {**system.env, "SHOP_DATABASE": str(system.folder / "shop.sqlite3"), **settings}
    process = launch(command, name="app", env=env)
    url = f"http://{LOOPBACK}:{port}"

    def answers() -> bool:
        assert process.exit_status is None, process.output
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            return False
        return True

    until(answers, 60, "the app answers")
    return url


def test_fastapi_hands_a_sale_over_once_and_shows_how_far_it_is(
    start_system: StartSystem, launch: Launch
) -> None:
    system = start_system(followers=4)
    system.worker()
    people, port = system.simulator.openids(4), free_port()
    command = python_module(
        "uvicorn",
        "--app-dir",
        str(APPS / "fastapi"),
        "shop:app",
        "--host",
        LOOPBACK,
        "--port",
        str(port),
    )
    sale = started(system, launch, command, port) + "/sales/7"
    asked = {"text": TEXT, "people": people}

    assert requests.get(sale, timeout=30).status_code == 404
    made = requests.put(sale, json=asked, timeout=60)
    assert (made.status_code, made.json()["created"]) == (200, True)
    again = requests.put(sale, json=asked, timeout=60).json()
    assert again == {"broadcast": made.json()["broadcast"], "created": False}
    other = requests.put(sale, json={**asked, "text": "?"}, timeout=60)
    assert (other.status_code, "key" in other.json()["error"]) == (422, True)

    command[-1] = str(port := free_port())
    poor = started(system, launch, command, port, **NO_ACCOUNT) + "/sales/8"
    away = requests.put(poor, json=asked, timeout=60)
    assert (away.status_code, str(system.folder) in away.text) == (503, False)

    system.until_state(made.json()["broadcast"], "completed")
    told = requests.get(sale, timeout=30).json()
    assert (told["state"], told["recipients"]["accepted"]) == ("completed", 4)
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)


def test_flask_commits_an_order_and_its_broadcast_or_neither(
    start_system: StartSystem, launch: Launch
) -> None:
    system = start_system(followers=4)
    # No beat: the app wakes a worker itself.
    system.worker()
    people, port = system.simulator.openids(4), free_port()
    command = python_module(
        "flask",
        "--app",
        str(APPS / "flask" / "shop.py"),
        "run",
        "--host",
        LOOPBACK,
        "--port",
        str(port),
    )
    orders = started(system, launch, command, port, **NO_ACCOUNT) + "/orders"
    asked = {"text": TEXT, "people": people}

    failed = requests.post(orders, json={**asked, "fails": True}, timeout=60)
    refused = requests.post(orders, json={**asked, "people": []}, timeout=60)
    made = requests.post(orders, json=asked, timeout=60)

    assert (failed.status_code, refused.status_code, made.status_code) == (500, 422, 200)
    assert refused.json()["error"] == "audience.openids is empty. Correct it."
    url = f"{orders}/{made.json()['order']}"
    until(lambda: requests.get(url, timeout=30).json()["state"] == "completed", 60, "it is sent")
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert len(system.all_reports()) == 1


def test_django_submits_after_the_commit_and_finds_what_was_left(
    start_system: StartSystem, launch: Launch
) -> None:
    system = start_system(followers=4)
    system.worker()
    people, port = system.simulator.openids(4), free_port()
    program = [sys.executable, str(APPS / "django" / "shop.py")]
    command = [*program, "runserver", "--noreload", f"{LOOPBACK}:{port}"]
    orders = started(system, launch, command, port) + "/orders"

    made = requests.post(orders, {"text": TEXT, "people": people[:2]}, timeout=60).json()
    refused = requests.post(orders, {"text": "", "people": people[:2]}, timeout=60).json()
    assert requests.post(orders, {"people": people}, timeout=60).status_code == 400
    # The database is away for a moment: the order stays.
    database = system.folder / "broadcast.db"
    assert made["broadcast"]
    assert refused["refusal"]
    system.until_state(made["broadcast"], "completed")
    hidden = database.rename(database.with_suffix(".hidden"))
    left = requests.post(orders, {"text": "later", "people": people[2:]}, timeout=60).json()
    hidden.rename(database)
    assert (left["broadcast"], left["refusal"]) == ("", "")

    env = {**system.env, "SHOP_DATABASE": str(system.folder / "shop.sqlite3")}
    ended = launch([*program, "announce"], name="announce", env=env)
    until(lambda: ended.exit_status == 0, 60, "the end of announce")
    until(lambda: len(system.all_reports()) == 2, 60, "the other broadcast")
    for report in system.all_reports():
        system.until_state(report.id, "completed")
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
