"""docker-compose.yml with RabbitMQ for its broker."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import requests

from tests.containers.conftest import TAG
from tests.containers.stack import TIMEOUT_S, TOOL, Stack, docker
from tests.kit.wait import until
from tests.servers.proofs import not_proved

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]

IMAGE = "rabbitmq:4-management"
PEOPLE = 60_000
CONTENT = {"msgtype": "text", "text": {"content": "Opening on Friday"}}


@pytest.fixture(scope="module")
def stack(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose messages go by RabbitMQ, healthy."""
    assert images
    if not docker("images", "--quiet", IMAGE):
        pulled = subprocess.run([TOOL, "pull", "--quiet", IMAGE], timeout=TIMEOUT_S, check=False)
        if pulled.returncode:
            not_proved("compose with RabbitMQ", "no registry gives its image")
    folder = tmp_path_factory.mktemp("rabbitmq")
    profiles = "api,simulator,rabbitmq"
    with Stack(folder, tag=TAG, profiles=profiles, broker="rabbitmq").running() as stack:
        yield stack


def test_a_broker_that_is_killed_costs_a_broadcast_nobody(stack: Stack) -> None:
    body = {
        "account": "default",
        "audience": {"openids": stack.openids(PEOPLE).split()},
        "content": CONTENT,
    }
    stored = stack.ask_api("POST", "broadcasts", json=body, headers={"Idempotency-Key": "rabbit"})
    until(lambda: stack.ledger()["deliveries"] > 0, 60, "the first calls")
    assert stack.ledger()["deliveries"] < PEOPLE

    with stack.timed("rabbitmq killed, healthy again after"):
        stack.kill("rabbitmq")
        stack.wait_for("rabbitmq")
    stack.exec("worker", "broadcast", "watch", stored["id"])

    until(lambda: stack.ledger()["delivered_distinct"] == PEOPLE, 120, "everybody to have it")
    assert stack.ledger()["doubled"] == 0
    stack.exec("worker", "broadcast", "audit", stored["id"])


def test_flower_shows_the_queues_that_rabbitmq_names(stack: Stack) -> None:
    login = (stack.folder / "secrets" / "flower_login").read_text("ascii").strip()
    user, _, password = login.partition(":")
    url = f"http://127.0.0.1:{stack.ports['FLOWER']}/broker"

    page = requests.get(url, auth=(user, password), timeout=TIMEOUT_S)

    assert page.ok
    assert "broadcast" in page.text.split("<tbody>")[1]
    assert "rabbitmq_password" not in page.text
