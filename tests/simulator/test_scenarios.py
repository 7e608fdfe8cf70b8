"""Scenario files, and those in examples/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.processes import RunningProcess, python_module
from tests.kit.simulator import SimulatedAccount, Simulator
from tests.simulator.expectations import submitted
from tests.simulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "scenarios"
FILES = sorted(EXAMPLES.glob("*.toml"))


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Simulator, Wire]]]:
    """Start the simulator with a scenario; it ends with the test."""
    running: list[tuple[Simulator, Wire]] = []

    def begin(name: str, followers: int = 1000) -> tuple[Simulator, Wire]:
        simulator = Simulator(followers=followers, scenario=EXAMPLES / f"{name}.toml").start()
        running.append((simulator, Wire(simulator.url, simulator.account)))
        return running[-1]

    yield begin
    for simulator, wire in running:
        wire.close()
        assert simulator.stop() == 0


def statuses(simulator: Simulator, wire: Wire) -> list[str]:
    ids = [job["msg_id"] for job in simulator.jobs()]
    return [str(wire.get(msg_id)["msg_status"]) for msg_id in ids]


def test_a_reset_goes_back_to_the_scenario(start: Callable[..., tuple[Simulator, Wire]]) -> None:
    simulator, _ = start("audience")
    simulator.change_account(followers=3)
    simulator.reset()
    (account,) = simulator.state()["accounts"]
    assert (account["followers"], account["refusing"], account["blocked"]) == (4_800, 50, 20)
    assert account["tags"] == {"2": 0, "100": 300}


def test_the_audience(start: Callable[..., tuple[Simulator, Wire]]) -> None:
    simulator, wire = start("audience")
    body = {"filter": {"is_to_all": False, "tag_id": 100}, "msgtype": "text"}
    msg_id = submitted(wire.post("message/mass/sendall", body | {"text": {"content": "开课"}}))
    assert simulator.job(msg_id)["eligible"] == 250, "300, of whom 50 refuse, 20 of them blocked"
    listed = wire.post("draft/batchget", {"offset": 0, "count": 20})
    titles = {item["content"]["news_item"][0]["title"] for item in listed["item"]}
    assert titles == {"周报", "通知"}


def test_the_review(start: Callable[..., tuple[Simulator, Wire]]) -> None:
    simulator, wire = start("review")
    for text in "一二三":
        submitted(wire.send(simulator.openids(1000), text))
    simulator.shift_clock(20)
    assert statuses(simulator, wire) == ["SEND_FAIL", "SEND_SUCCESS", "SEND_SUCCESS"]
    assert [job["errors"] for job in simulator.jobs()] == [0, 0, 500]


def test_the_quota(start: Callable[..., tuple[Simulator, Wire]]) -> None:
    simulator, wire = start("quota")
    replies = [wire.send(simulator.openids(2), text)["errcode"] for text in "一二三四"]
    assert replies == [0, 0, 0, 45009]


def test_drafts_that_die(start: Callable[..., tuple[Simulator, Wire]]) -> None:
    simulator, wire = start("drafts-die")
    body = {"touser": simulator.openids(2), "msgtype": "mpnews", "mpnews": {"media_id": "M" * 43}}
    assert wire.post("message/mass/send", body)["errcode"] == 40007


@pytest.mark.parametrize("name", ["lost-reply", "unsteady", "events", "tokens", "slow"])
def test_faults_of_a_scenario_are_in_force(
    start: Callable[..., tuple[Simulator, Wire]], name: str
) -> None:
    simulator, _ = start(name, followers=2)
    before = [fault["kind"] for fault in simulator.faults()]
    assert before
    simulator.reset()
    assert [fault["kind"] for fault in simulator.faults()] == before


def test_every_example_is_tried() -> None:
    tried = {"lost-reply", "unsteady", "events", "tokens", "slow"}
    tried |= {"audience", "review", "quota", "drafts-die"}
    assert {file.stem for file in FILES} == tried


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "about: Field required"),
        ("about = 1", "about: Input should be a valid string"),
        ("about = ", "Invalid value"),
        ('about = "x"\nnothing = 1', "nothing: Extra inputs are not permitted"),
        ('about = "x"\n[switches]\nlatency = 1', "latency: Extra inputs are not permitted"),
        ('about = "x"\n[[faults]]\nkind = "explode"', "faults.0.kind: Input should be"),
        ('about = "x"\n[accounts.nobody]\nfollowers = 1', "no account has the name nobody"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused_at_the_start(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(text, encoding="utf-8")
    words_ = python_module("simulator", "--scenario", str(file), "--account", argument())
    process = RunningProcess(words_, log=tmp_path / "log", warm=True)
    assert process.wait() == 2
    assert words in process.output
    assert "Traceback" not in process.output


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    words = python_module("simulator", "--scenario", str(tmp_path / "none.toml"))
    process = RunningProcess(words, log=tmp_path / "log", warm=True)
    assert process.wait() == 2
    assert "none.toml: No such file" in process.output


def argument(**changes: Any) -> str:
    return SimulatedAccount(**changes).argument
