"""Metrics: each is on both pages with its labels, and none is of one broadcast or one person."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broadcast.rules.metrics import Samples
from broadcast.views.metrics import METRICS, exposed
from worker.delivery.metrics import REGISTRY

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("page", ["monitoring.md", "monitoring.zh.md"])
def test_both_pages_have_every_metric_with_its_labels(page: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\|", (DOCS / page).read_text("utf-8"), re.MULTILINE)

    shown = {name: re.findall(r"`(\w+)`", labels) for name, labels in rows}
    of_worker = {
        one.name.removeprefix("broadcast_") + ("_total" if one.type == "counter" else "")
        for one in REGISTRY.collect()
    }
    assert {name for name in shown if name.startswith("worker_")} == of_worker
    assert shown.items() >= {name: labels for name, (labels, _) in METRICS.items()}.items()


def test_labels_are_bounded() -> None:
    bounded = {"account", "state", "set", "path", "outcome", "errcode", "kind", "box", "queue"}

    assert {one for labels, _ in METRICS.values() for one in labels} == bounded | {"part"}


def test_an_account_that_a_key_may_not_see_is_left_out() -> None:
    samples: Samples = {
        "people": {("shop", "accepted"): 3.0, ("main", "accepted"): 4.0},
        "part_reachable": {("redis",): 1.0},
        "token_changes_total": {("shop",): 2.0},
    }

    page = exposed(samples, may_see=lambda name: name == "shop").decode()

    assert [line for line in page.splitlines() if not line.startswith("#")] == [
        'broadcast_people{account="shop",set="accepted"} 3.0',
        'broadcast_part_reachable{part="redis"} 1.0',
        'broadcast_token_changes_total{account="shop"} 2.0',
    ]
    assert "# TYPE broadcast_token_changes_total counter" in page
