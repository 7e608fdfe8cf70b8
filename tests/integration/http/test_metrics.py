"""`/metrics`: open to this machine alone, to others by a key; of the accounts that the key has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from broadcast import names
from broadcast.rules.metrics import Samples
from broadcast.views.metrics import METRICS
from entrypoints.http.routes.metrics import shared_samples
from entrypoints.http.threads import Threads
from producer.waking import CeleryWaker
from tests.kit import api, ledger, template
from tests.kit.api import Program
from tests.kit.wait import until

if TYPE_CHECKING:
    from entrypoints.http.api_parts import APIParts

#: Of a proxy on this machine, whose caller may be anybody.
OF_PROXIES = [{"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 web"}]


def samples(page: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a page by name and labels."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(page)
        for one in family.samples
    }


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A scraper of an API whose database has broadcasts of two accounts; the key of one is here."""
    folder = tmp_path_factory.mktemp("metrics")
    url = f"sqlite:///{folder / 'broadcast.db'}"
    engine = template.migrated(url)
    for name in ("shop", "main"):
        ledger.broadcast(engine, owner=ledger.account(name))
    engine.dispose()
    keys = f"{api.KEY},submitter:submit:submitter-key-0123,of-shop:read@shop:of-shop-key-0123"
    with api.started(folder, api.settings(url) | {"BROADCAST_API_KEYS": keys}) as process:
        yield Program(url=api.url_of(process), key=None)


def test_this_machine_needs_no_key_and_is_shown_every_account(scraped: Program) -> None:
    answer = scraped.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert found["broadcast_part_reachable", "redis"] == 0
    assert found["broadcast_part_reachable", "broker"] == 0
    assert {key[1] for key in found if key[0] == "broadcast_people"} == {"shop", "main"}
    assert {name for name, *_ in found} <= {f"broadcast_{name}" for name in METRICS}
    assert ledger.openids(1)[0] not in answer.text


def test_a_queue_of_rabbitmq_is_as_long_as_what_waits_in_it(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    with closing(CeleryWaker(rabbitmq_url)) as waker:
        waker.wake_planner("20261125-abcdef")
    settings = api.settings(url) | {"CELERY_BROKER_URL": rabbitmq_url}
    with api.started(tmp_path, settings) as process:
        program = Program(url=api.url_of(process), key=None)

        def found() -> dict[tuple[str, ...], float]:
            return samples(program.get("/metrics").text)

        # RabbitMQ may confirm a message before it counts it.
        until(lambda: found().get(("broadcast_queue_messages", names.QUEUE)) == 1, 5, "the wake")
        assert found()["broadcast_queue_messages", names.ENQUEUE] == 0
        assert found()["broadcast_part_reachable", "broker"] == 1


@pytest.mark.parametrize("headers", [*OF_PROXIES, {"Authorization": "Basic b3BzOm9wcw=="}])
def test_whoever_may_be_elsewhere_needs_a_key(scraped: Program, headers: dict[str, str]) -> None:
    assert scraped.ask("GET", "/metrics", headers=headers).status_code == 401
    with_key = headers | {"Authorization": f"Bearer {api.KEY}"}
    assert scraped.ask("GET", "/metrics", headers=with_key).status_code == 200


def test_a_key_shows_what_it_may_see(scraped: Program) -> None:
    assert replace(scraped, key="submitter-key-0123").get("/metrics").status_code == 403
    assert replace(scraped, key="wrong-key-01234").get("/metrics").status_code == 401

    found = samples(replace(scraped, key="of-shop-key-0123").get("/metrics").text)

    assert {key[1] for key in found if key[0] == "broadcast_broadcasts"} == {"shop"}


def test_unknown_parameters_are_refused(scraped: Program) -> None:
    assert scraped.get("/metrics", name="all").status_code == 422


def test_readers_of_whole_broadcasts_keep_no_scraper_waiting(tmp_path: Path) -> None:
    engine = template.migrated(f"sqlite:///{tmp_path / 'broadcast.db'}")
    threads = Threads(engine)
    outside = SimpleNamespace(samples=dict)
    parts = cast("APIParts", SimpleNamespace(engine=engine, threads=threads, outside=outside))
    read = threading.Event()

    async def scraped_beside_readers() -> Samples:
        reading = [asyncio.create_task(threads.readers.run(read.wait, 60)) for _ in range(20)]
        try:
            return await asyncio.wait_for(shared_samples(parts).since(monotonic()), 30)
        finally:
            read.set()
            await asyncio.gather(*reading)

    try:
        assert asyncio.run(scraped_beside_readers())
    finally:
        threads.close()
        engine.dispose()
