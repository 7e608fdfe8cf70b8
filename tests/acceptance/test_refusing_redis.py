"""A Redis that is there and refuses to work: named as every wait is, and over when it works."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.rules.gates.gate import Cause
from broadcast.rules.states import Reason
from broadcast.tokens.redis_access import Keys
from tests.acceptance.conftest import sets_of
from tests.acceptance.recovery import everybody_lives
from tests.kit.wait import until
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

KEY = Keys().limiter("wx0000000000000001")


def of_a_wrong_type(client: Any) -> Callable[[], object]:
    """Put something else where the pace is kept; another program shares this Redis."""
    client.delete(KEY)
    client.rpush(KEY, "of another program")
    return lambda: client.delete(KEY)


def out_of_memory(client: Any) -> Callable[[], object]:
    """Let it have no memory for anything that is written."""
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    return lambda: client.config_set("maxmemory", "0")


def a_replica(client: Any) -> Callable[[], object]:
    """Make it a replica, as a failover that went half way does."""
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: client.execute_command("REPLICAOF", "NO", "ONE")


@pytest.fixture
def broker() -> Iterator[Valkey]:
    """A broker that works all the time: token and pace live in another Valkey."""
    with Valkey() as server:
        yield server


@pytest.mark.parametrize(
    "fault",
    [
        out_of_memory,
        *(pytest.param(one, marks=pytest.mark.prove) for one in (of_a_wrong_type, a_replica)),
    ],
)
def test_a_redis_that_refuses_to_work_is_a_blocker_and_passes(
    start_system: StartSystem, broker: Valkey, fault: Callable[[Any], Callable[[], object]]
) -> None:
    system = start_system(
        followers=60, latency_ms=100, BROADCAST_BATCH_SIZE="2", CELERY_BROKER_URL=broker.url
    )
    accounts = system.folder / "accounts.toml"
    accounts.write_text(accounts.read_text().replace("minute = 0", "minute = 600"), "utf-8")
    system.worker()
    system.beat()
    sent = system.send(system.simulator.openids(60))["id"]
    system.simulator.wait_for_jobs(2)

    with system.valkey.client() as client:
        works_again = fault(client)
        seen = until(lambda: blockers(system, sent), 15, "a blocker that names Redis")
        works_again()

    assert seen[0]["cause"] == Cause.ACCOUNT_WAITS
    assert seen[0]["until"] is not None
    report = system.until_state(sent, "completed")
    assert sets_of(report) == {"accepted": 60}
    assert report.lane.wait_reason is None
    assert system.simulator.ledger()["delivered_max"] == 1
    everybody_lives(system)


def blockers(system: System, broadcast_id: str) -> list[dict[str, Any]]:
    """What `status` names as being in the way because of Redis."""
    told = json.loads(system.broadcast("status", broadcast_id, "--json").stdout.splitlines()[-1])
    return [one for one in told["blockers"] if one["reason"] == Reason.REDIS_AWAY]
