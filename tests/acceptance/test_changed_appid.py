"""The settings change an account's appid, or its name: nothing goes out by the wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import Reason
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem

OURS, OTHER = "wx0000000000000001", "wx0000000000000002"


def test_a_repeat_never_goes_to_the_account_of_a_changed_appid(start_system: StartSystem) -> None:
    system = start_system(followers=50, accounts=2)
    file = system.folder / "accounts.toml"
    # The first account's name alone is in the settings; its appid will be the second one's.
    ours = file.read_text().partition("[accounts.account2]")[0]
    file.write_text(ours)
    system.simulator.fault("drop", when="after", path=MASS_SEND)
    first = system.worker()
    told = system.send(system.simulator.openids(50))
    until(lambda: len(system.simulator.mass_calls()) == 1, 20, "the call whose reply is lost")
    first.kill()

    file.write_text(ours.replace(OURS, OTHER))
    wrong = system.worker()
    system.beat()
    until(lambda: _stop_reason(system, told["id"]) is Reason.APPID_CHANGED, 30, "the stop")
    people = next(system.folder.glob("openids-*.txt"))
    refused = system.broadcast("send", "--openids", people, "--text", "x", status=2)
    status = system.broadcast("status", told["id"], status=None)
    wrong.stop(timeout_s=30)

    assert len(system.simulator.mass_calls()) == 1
    assert wrong.output.count(" ERROR ") == 1
    assert OURS in wrong.output
    assert OTHER in wrong.output
    assert "the appid in the settings is not the one" in status.stdout
    assert OURS in refused.stderr

    file.write_text(ours)
    system.worker()
    system.broadcast("unhalt", "--account", "account1")
    system.until_state(told["id"], "completed")
    assert {call["appid"] for call in system.simulator.mass_calls()} == {OURS}
    assert system.simulator.ledger()["delivered_max"] == 1


def test_an_account_that_grew_from_env_into_a_file_keeps_the_name_that_it_had(
    start_system: StartSystem,
) -> None:
    """Under a second name it would have a second lane, and the same send would go out twice."""
    system = start_system(followers=50, accounts=1)
    told = system.send(system.simulator.openids(50))
    file = system.folder / "accounts.toml"
    assert "[accounts.default]" in file.read_text()
    file.write_text(file.read_text().replace("[accounts.default]", "[accounts.main]"))
    people = next(system.folder.glob("openids-*.txt"))

    refused = system.broadcast("send", "--openids", people, "--text", "x", status=2)

    assert "--account default" in refused.stderr
    assert "main" in refused.stderr
    assert system.broadcast("list", status=None).stdout.count(told["id"]) == 1


def _stop_reason(system: Any, broadcast_id: str) -> Reason | None:
    gate = system.report(broadcast_id).lane.gate(GateKind.STOP)
    return None if gate is None else gate.reason
