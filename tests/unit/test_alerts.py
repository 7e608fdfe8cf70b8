"""Alert rules: each fires on its own fault, none in a normal hour; each has its runbook."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from broadcast.views.metrics import METRICS
from tests.servers.binaries import find
from tests.servers.proofs import not_proved
from worker.delivery.metrics import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "monitoring" / "alerts.yml"
#: Minutes that a test lasts; no rule waits for longer.
LENGTH = 40
API, OF = 'job="broadcast", instance="api:8780"', 'account="shop"'


def series(name: str, labels: str = "", value: str = "0") -> dict[str, str]:
    """Return a series that keeps a value, or takes those of *value*."""
    named = ", ".join(filter(None, (API, labels)))
    values = value if "x" in value or " " in value else f"{value}x{2 * LENGTH}"
    return {"series": f"{name}{{{named}}}", "values": values}


def age(box: str, value: str, state: str = "waiting") -> dict[str, str]:
    return series("broadcast_box_oldest_age_seconds", f'box="{box}", state="{state}"', value)


def items(box: str, value: str, state: str) -> dict[str, str]:
    return series("broadcast_box_items", f'box="{box}", state="{state}"', value)


def calls(outcome: str, errcode: str, value: str) -> dict[str, str]:
    path = f'{OF}, path="mass_send", outcome="{outcome}", errcode="{errcode}"'
    return series("broadcast_calls_today", path, value)


#: Of an account that goes out over several days, and has made its calls of today.
SPREAD = 'account="spread"'
#: A normal hour: a broadcast goes out, others are paused, scheduled, or go on tomorrow; two calls
#: of the morning were refused, a page is down.
NORMAL = [
    series("up", value="1"),
    series("broadcast_last_sweep_age_seconds", value="3"),
    series("broadcast_queue_messages", 'queue="broadcast"', "0 1 0 0 1 0 0x70"),
    series("broadcast_queue_messages", 'queue="broadcast.enqueue"', "0"),
    series("broadcast_queue_age_seconds", 'queue="broadcast.enqueue"', "5"),
    series("broadcast_part_reachable", 'part="redis"', "1"),
    series("broadcast_part_reachable", 'part="broker"', "1"),
    series("broadcast_token_remaining_seconds", OF, "7200-60x80"),
    series("broadcast_calls_left_today", f'{OF}, path="mass_send"', "90-1x80"),
    series("broadcast_batches", f'{OF}, state="planned"', "203"),
    series("broadcast_batches_for_today", OF, "3"),
    series("broadcast_calls_left_today", f'{SPREAD}, path="mass_send"', "0"),
    series("broadcast_batches", f'{SPREAD}, state="planned"', "28"),
    series("broadcast_batches_for_today", SPREAD, "0"),
    series("broadcast_broadcasts", f'{SPREAD}, state="sending"', "1"),
    series("broadcast_oldest_in_doubt_batch_age_seconds", OF),
    series("broadcast_oldest_unsettled_batch_age_seconds", OF, "30"),
    series("broadcast_broadcasts", f'{OF}, state="sending"', "1"),
    series("broadcast_broadcasts", f'{OF}, state="held"', "0"),
    series("broadcast_broadcasts", f'{OF}, state="paused"', "1"),
    series("broadcast_broadcasts", f'{OF}, state="scheduled"', "1"),
    age("launches", "4", "scheduled"),
    items("launches", "0", "held"),
    calls("accepted", "0", "1+1x80"),
    calls("stop_broadcast", "40007", "2"),
    age("webhooks", "40"),
    items("webhooks", "0", "given_up"),
    age("notices", "10"),
    items("notices", "0", "given_up"),
    items("dead_letters", "0", "dead"),
    age("outbox", "2"),
    age("pushes", "3"),
    items("pushes", "0", "set_aside"),
]
#: By alert, what is otherwise in that hour; of a rule with an `or` each side for itself.
FAULTS: dict[str, list[list[dict[str, str]]]] = {
    "BroadcastScrapeDown": [[series("up", value="0")]],
    "BroadcastNoWorker": [
        [
            series("broadcast_last_sweep_age_seconds", value="3+60x80"),
            series("broadcast_queue_messages", 'queue="broadcast"', "0+20x80"),
        ]
    ],
    "BroadcastBeatSilent": [
        [
            series("broadcast_last_sweep_age_seconds", value="3+60x80"),
            series("broadcast_queue_messages", 'queue="broadcast"', "0"),
        ]
    ],
    "BroadcastPartAway": [[series("broadcast_part_reachable", 'part="redis"', "0")]],
    "BroadcastTokenOld": [[series("broadcast_token_remaining_seconds", OF, "0")]],
    "BroadcastCallsFew": [[series("broadcast_batches_for_today", OF, "95")]],
    "BroadcastInDoubt": [[series("broadcast_oldest_in_doubt_batch_age_seconds", OF, "1+60x80")]],
    "BroadcastUnsettled": [
        [series("broadcast_oldest_unsettled_batch_age_seconds", OF, "3000+60x80")]
    ],
    "BroadcastHeld": [[series("broadcast_broadcasts", f'{OF}, state="held"', "1")]],
    "BroadcastLaunchLate": [[age("launches", "4+60x80", "scheduled")]],
    "BroadcastLaunchHeld": [[items("launches", "1", "held")]],
    "BroadcastAccountClosed": [[series("broadcast_account_closed", f'{OF}, kind="stop"', "1")]],
    "BroadcastManyRefusals": [[calls("stop_broadcast", "40007", f"2x{LENGTH - 9} 4x80")]],
    "BroadcastWebhooksBehind": [
        [items("webhooks", "3", "given_up")],
        [age("webhooks", "40+60x80")],
    ],
    "BroadcastNoticesBehind": [[age("notices", "10+60x80")], [items("notices", "2", "given_up")]],
    "BroadcastDeadLetters": [[items("dead_letters", "1", "dead")]],
    "BroadcastQueueWaits": [
        [age("outbox", "2+60x80")],
        [
            series("broadcast_queue_age_seconds", 'queue="broadcast.enqueue"', "5+60x80"),
            series("broadcast_queue_messages", 'queue="broadcast.enqueue"', "1"),
        ],
    ],
    "BroadcastCallbackLag": [[age("pushes", "3+60x80")], [items("pushes", "1", "set_aside")]],
}


@cache
def rules() -> dict[str, str]:
    """Return the text of each rule by its name."""
    _, *each = RULES.read_text("utf-8").split("- alert: ")
    return {rule.partition("\n")[0]: rule for rule in each}


def one(planted: list[dict[str, str]], fires: str | None) -> dict[str, Any]:
    """Return the test of an hour with what is planted in it."""
    instead = {each["series"] for each in planted}
    firing = [{"labels": f'{{alertname="{fires}"}}', "value": 1}] if fires else []
    return {
        "name": fires or "a normal hour",
        "interval": "1m",
        "input_series": [each for each in NORMAL if each["series"] not in instead] + planted,
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
                "eval_time": f"{LENGTH}m",
                "exp_samples": firing,
            }
        ],
    }


def test_each_alert_has_a_test_of_each_of_its_sides() -> None:
    sides = {name: len(re.findall(r"^ +or ", rule, re.MULTILINE)) for name, rule in rules().items()}

    assert {name: len(found) - 1 for name, found in FAULTS.items()} == sides


@pytest.mark.prove
def test_each_alert_fires_on_its_own_fault_and_none_in_a_normal_hour(tmp_path: Path) -> None:
    promtool = find("promtool")
    if promtool is None:
        not_proved("alert rules", "promtool is not there")
    faults = [(name, planted) for name, sides in FAULTS.items() for planted in sides]
    tests = [one([], None), *(one(planted, name) for name, planted in faults)]
    file = tmp_path / "tests.yml"
    file.write_text(
        json.dumps(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": tests,
            }
        )
    )

    done = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", ["runbooks.md", "runbooks.zh.md"])
def test_each_alert_has_a_runbook_with_a_command(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    parts = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))

    assert list(parts) == list(rules())
    for name, part in parts.items():
        assert "```text\n" in part, name
        assert rules()[name].rstrip().endswith(f"runbook: docs/runbooks.md#{name.lower()}")


def named(text: str) -> set[str]:
    return set(re.findall(r"broadcast_\w+", text))


def test_every_metric_in_rules_and_dashboard_exists() -> None:
    dashboard = json.loads((ROOT / "monitoring" / "dashboard.json").read_text("utf-8"))
    asked = {target["expr"] for panel in dashboard["panels"] for target in panel["targets"]}
    of_worker = {sample.name for one in REGISTRY.collect() for sample in one.samples}
    of_worker |= {
        f"{one.name}{end}" for one in REGISTRY.collect() for end in ("_total", "_bucket", "_count")
    }

    there = {f"broadcast_{name}" for name in METRICS} | of_worker
    assert named(" ".join(rules().values())) <= there
    assert named(" ".join(asked)) <= there
    # What nobody looks at is not worth its cost.
    shown = named(" ".join(asked))
    assert {f"broadcast_{name}" for name in METRICS} <= shown
