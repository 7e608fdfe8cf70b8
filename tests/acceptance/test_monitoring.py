"""Rules and dashboard before a real Prometheus that scrapes a running system, normal and faulty."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from sqlalchemy import insert, select, update

from broadcast import names
from broadcast.message import Message
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.dead_letters import Letter, LetterSource
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.states import (
    BatchState,
    BroadcastState,
    NoticeState,
    Phase,
    Reason,
    WebhookState,
)
from models.every_table import (
    AttemptRow,
    Batch,
    BroadcastRow,
    GateRow,
    LaunchRow,
    OutboxRow,
    PushRow,
    WebhookRow,
)
from models.ledger.boxes import dead_letters, notices, unreported
from models.ledger.campaigns import campaign_edits
from models.ledger.rows.transaction import present
from tests.integration.models import campaign_world, stories
from tests.kit import foreign, ledger
from tests.kit.processes import RunningProcess
from tests.kit.wait import until
from tests.servers.binaries import find
from tests.servers.ports import free_port
from tests.servers.proofs import not_proved

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
#: Evaluations of the rules, one a second, that make a normal time.
NORMAL = 30
#: Calls that the account may make a day: fewer than are planned once that is planted.
LIMIT = 38


class Prometheus:
    """A server of the test's own, whose rules wait for seconds in the place of minutes."""

    def __init__(self, program: Path, system: System, targets: dict[str, str]) -> None:
        folder = system.folder
        rules = (MONITORING / "alerts.yml").read_text("utf-8")
        rules = re.sub(r"for: \w+", "for: 2s", rules).replace("offset 30m", "offset 15s")
        (folder / "alerts.yml").write_text(rules, "utf-8")
        jobs = "".join(
            f"  - job_name: {name}\n    static_configs: [{{targets: ['{where}']}}]\n"
            for name, where in targets.items()
        )
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{folder / 'alerts.yml'}']\nscrape_configs:\n{jobs}"
        )
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/api/v1"
        command = [
            str(program),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        process = RunningProcess(command, log=folder / "prometheus.log", cwd=folder)
        system.processes.append(process)

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the samples of a query; none while it is not there yet."""
        try:
            told = requests.get(f"{self.url}/query", params={"query": query}, timeout=10).json()
        except requests.ConnectionError:
            return []
        assert told["status"] == "success", (query, told)
        found: list[dict[str, Any]] = told["data"]["result"]
        return found

    def fired(self) -> set[str]:
        """Return the alerts that have fired since the start."""
        every = self.ask('max_over_time(ALERTS{alertstate="firing"}[1h])')
        return {one["metric"]["alertname"] for one in every}

    def evaluations(self) -> int:
        """Return how often the rules were evaluated."""
        told = requests.get(
            f"{self.url}/query",
            params={"query": 'count_over_time(up{job="broadcast"}[1h])'},
            timeout=10,
        ).json()["data"]["result"]
        return int(told[0]["value"][1]) if told else 0


@pytest.mark.prove
def test_each_alert_fires_on_its_fault_none_in_normal_times_and_each_panel_has_data(
    start_system: StartSystem,
) -> None:
    program = find("prometheus")
    if program is None:
        not_proved("alerts before a Prometheus", "prometheus is not there")
    port = free_port()
    system = start_system(followers=300, BROADCAST_BATCH_SIZE="10")
    system.simulator.change_account(daily_limit=LIMIT)
    worker, beat = system.worker(BROADCAST_METRICS_PORT=str(port)), system.beat()
    api = system.api()
    prometheus = Prometheus(
        program,
        system,
        {
            "broadcast": api.url.removeprefix("http://"),
            "broadcast-workers": f"127.0.0.1:{port}",
        },
    )
    for n in range(6):
        sent = system.send(system.simulator.openids(40, start=40 * n), "--key", f"normal {n}")
        system.until_state(sent["id"], "completed")

    missing = lacking(prometheus)
    until(lambda: not lacking(prometheus), 120, f"data in every panel, not in {missing}")
    until(lambda: bool(prometheus.ask("up")), 60, "a first scrape")
    until(lambda: prometheus.evaluations() >= NORMAL, 120, "a normal time")
    assert prometheus.fired() == set()

    worker.stop()
    beat.stop()
    system.valkey.flushall()
    plant(system.engine)
    rest = set(re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text("utf-8")))
    apart = {"BroadcastNoWorker", "BroadcastPartAway"}
    until(lambda: prometheus.fired() >= rest - apart, 90, f"{rest - apart - prometheus.fired()}")
    assert prometheus.fired() == rest - apart
    with foreign.app_of(system.valkey.url) as app:
        app.send_task(names.SWEEP, queue=names.QUEUE)
    until(lambda: "BroadcastNoWorker" in prometheus.fired(), 60, "BroadcastNoWorker")
    system.valkey.stop()
    until(lambda: prometheus.fired() == rest, 60, "BroadcastPartAway")
    # What was planted keeps no promise.
    ledger.empty(system.engine)


def lacking(prometheus: Prometheus) -> list[str]:
    """Return the queries of the dashboard that have no data."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [query for query in queries if not prometheus.ask(query)]


def plant(engine: Engine) -> None:
    """Plant what each alert of the ledger is about, over an hour old."""
    moment = present(engine)
    past = moment - timedelta(hours=2)
    reason = Message("error.dead.expired")
    dead_letters.store_letter(engine, Letter(source=LetterSource.CELERY, body="{}", reason=reason))
    unreported.register(engine, ["slack:h.example:00000000"], alone=False)
    campaign = campaign_edits.add(engine, "weekly", campaign_world.plan("0 20 * * 5"), who="tests")
    # The other path goes on: its batches wait for calls of today.
    stories.close(engine, GateKind.STOP, reason=Reason.ACCOUNT_STOPPED, path=SendPath.SENDALL)
    with engine.begin() as connection:
        rows = connection.execute(select(Batch.id, Batch.broadcast_id).order_by(Batch.id)).all()
        first, second, *others = rows
        for row, state in ((first, BatchState.IN_DOUBT), (second, BatchState.UNKNOWN)):
            values = {"state": state, "first_called_at": past}
            connection.execute(update(Batch).where(Batch.id == row.id).values(values))
        many = [row.id for row in others]
        connection.execute(update(Batch).where(Batch.id.in_(many)).values(state=BatchState.PLANNED))
        refused = update(AttemptRow).where(AttemptRow.batch_id.in_(many[:4]))
        connection.execute(refused.values(outcome=Outcome.STOP_BROADCAST, errcode=40007))
        held, waiting = first.broadcast_id, rows[-1].broadcast_id
        of = update(BroadcastRow).where
        connection.execute(update(BroadcastRow).values(phase=Phase.SENDING, result=None))
        connection.execute(
            of(BroadcastRow.id == held).values(
                phase=Phase.ENDED,
                result=BroadcastState.HELD,
            )
        )
        connection.execute(of(BroadcastRow.id == waiting).values(phase=Phase.PLANNING))
        connection.execute(
            insert(GateRow).values(
                account="default",
                scope=GateScope.BROADCAST,
                broadcast_id=waiting,
                kind=GateKind.SCHEDULE,
                closed_at=past,
                closed_by="tests",
                until=past,
                closed_counter=1,
            )
        )
        connection.execute(
            insert(LaunchRow).values(
                campaign_id=campaign.id,
                account="default",
                due_at=past,
                state=LaunchState.HELD,
                version=1,
                key="held",
                decided_at=past,
            )
        )
        connection.execute(
            insert(OutboxRow).values(
                id="planted",
                who="tests",
                body="{}",
                created_at=past,
                tries=0,
            )
        )
        connection.execute(
            insert(PushRow).values(
                account="default",
                dedup="planted",
                kind="event",
                happened_at=past,
                received_at=past,
                body="{}",
                due_at=past,
                tries=0,
            )
        )
        connection.execute(
            insert(WebhookRow).values(
                broadcast_id=held,
                version=1,
                account="default",
                kind="broadcast.completed",
                url="https://h.example/",
                origin="https://h.example",
                state=WebhookState.GIVEN_UP,
                tries=9,
                created_at=past,
                since=past,
            )
        )
        notices.add(
            connection,
            kind="waits",
            account="default",
            subject=held,
            key="planted",
            state=NoticeState.GIVEN_UP,
        )
