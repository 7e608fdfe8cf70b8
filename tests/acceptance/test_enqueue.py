"""Programs that share the broker alone: a good message is sent once, a bad one a dead letter."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection
from sqlalchemy import func, make_url, select

from broadcast import names
from broadcast.rules.states import Phase
from models.event import Event
from models.every_table import BroadcastRow
from models.ledger.boxes import dead_letters
from tests.kit import foreign
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from celery import Celery

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.fixtures import MakeProxy
    from tests.servers.valkey import Valkey

SEED = 20261127
#: The account has the tags 1 and 2 alone, and nobody has them.
UNKNOWN_TAGS: tuple[dict[str, Any], ...] = (
    {"audience": {"tag_id": 999}},
    {"audience": {"tag_id": 2}},
    {"exclude": ["tag:0"]},
)
NOT_EVEN_KOMBUS = (b"\xff\0", b'{"properties": {}}', b'{"x": 0x1f}')
#: A good message is to two people of its own.
EACH = 2


def enqueue_bad(app: Celery, people: list[str]) -> None:
    """Enqueue what is no request, the first four twice."""
    for bad in (
        foreign.request(people, key="c", text="?") | {"text": "?"},
        foreign.request(people),
        foreign.request(people, key="d", account="nobody"),
        foreign.request([], key="e"),
    ):
        foreign.enqueue(app, **bad)
        foreign.enqueue(app, **bad)
    # Names that Python, or Celery, has a meaning of its own for.
    for name in ("self", "signature", "forwarded", "\ud800"):
        foreign.enqueue(app, **foreign.request(people, key=f"named {name!a}"), **{name: 1})
    foreign.enqueue(app, "positional")
    # Nor do tasks of ours belong there.
    app.send_task("broadcast.enqueue2", queue=names.ENQUEUE, kwargs={"n": 1})
    app.send_task(names.SWEEP, queue=names.ENQUEUE)
    app.send_task(names.PLAN, queue=names.ENQUEUE, args=["20261127-k3x9qa"])


def put_junk(broker_url: str, valkey: Valkey) -> int:
    """Put into the queue what is no task, or no message; return how many."""
    with Connection(broker_url) as connection, connection.SimpleQueue(names.ENQUEUE) as queue:
        queue.put("no task at all", serializer="json")
    with Connection(broker_url) as connection:
        # An exchange of theirs leads to the same queue.
        channel: Any = connection.channel()
        channel.exchange_declare("theirs", "direct")
        channel.queue_bind(names.ENQUEUE, "theirs", "other")
        producer = connection.Producer(channel)
        producer.publish("nor this", exchange="theirs", routing_key="other", serializer="json")
    if broker_url != valkey.url:
        return 2
    with valkey.client() as client:
        client.lpush(names.ENQUEUE, *NOT_EVEN_KOMBUS)
    return 2 + len(NOT_EVEN_KOMBUS)


@pytest.mark.timeout(240)
def test_each_good_key_is_sent_once_and_each_bad_message_is_a_dead_letter(
    start_system: StartSystem, valkey: Valkey, broker_url: str
) -> None:
    system = start_system(followers=20, CELERY_BROKER_URL=broker_url)
    people = system.simulator.openids(20)
    with foreign.app_of(broker_url, valkey.url) as app:
        # Sent before a worker declared the queue, as another program may.
        good = foreign.request(people[:10], key="a")
        answers = [
            foreign.enqueue(app, **good),
            foreign.enqueue(app, **good),
            foreign.enqueue(app, **foreign.request(people[10:], key="b", title="Sale")),
        ]
        enqueue_bad(app, people)
        worker = system.worker()

        made = [one.get(timeout=60) for one in answers]
        taken = foreign.enqueue(app, **foreign.request(people, key="a")).get(timeout=60)
    # Twelve more from before, and the key that was taken.
    bad = 13 + put_junk(broker_url, valkey)
    until(lambda: dead_letters.count(system.engine) == bad, 60, "every bad message kept")

    assert [one["error"] for one in made] == [None, None, None]
    assert made[0]["id"] == made[1]["id"]
    for one in (made[0]["id"], made[2]["id"]):
        system.until_state(one, "completed")
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert len(system.all_reports()) == 2
    assert (taken["id"], taken["error"]["code"]) == (None, "error.submit.key_taken")
    found = {one["key"]: one["reason"] for one in foreign.dead_letters(system)}
    assert (found["c"]["code"], found["c"]["field"]) == ("error.request.unknown", "text")
    named = {key: one for key, one in found.items() if key and key.startswith("named")}
    assert {one["field"] for one in named.values()} == {"self", "signature", "forwarded", "?"}
    assert {one["code"] for one in named.values()} == {"error.request.unknown"}
    assert found["d"]["code"] == "error.settings.unknown_account"
    assert found["a"]["text"].endswith('Use another "key". Nothing was stored.')
    assert worker.exit_status is None
    assert "Traceback" not in worker.output
    # The sender's own id of the message is the request's, in log and history.
    by = next(n for n in (0, 1) if made[n]["created"])
    for one in (answers[by].id, answers[2].id):
        assert f" request={one}\n" in worker.output
        assert f'"request_id": "{one}"' in "\n".join(details(system))


def details(system: System) -> list[str]:
    """What history says beside its kinds."""
    with system.engine.connect() as connection:
        return list(connection.scalars(select(Event.detail)))


def test_a_message_is_held_against_the_tags_and_drafts_of_its_account(
    start_system: StartSystem, valkey: Valkey
) -> None:
    system = start_system(followers=4)
    people = system.simulator.openids(4)
    system.worker()
    with foreign.app_of(valkey.url, valkey.url) as app:
        refused = [
            foreign.enqueue(app, **{**foreign.request(people, key=str(members)), **members})
            for members in UNKNOWN_TAGS
        ]
        articles = {"msgtype": "mpnews", "mpnews": {"media_id": "NO-DRAFT"}}
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        later = foreign.request(people, key="later", at=tomorrow.isoformat())
        kept = foreign.enqueue(app, **{**later, "content": articles})

        told = [one.get(timeout=60)["error"]["code"] for one in refused]
        stored = kept.get(timeout=60)

    assert told == ["error.tag.unknown", "error.tag.empty", "error.tag.unknown"]
    assert stored["id"] is not None
    assert [one["code"] for one in stored["notices"]] == ["notice.draft.none"]
    assert "media_id" in stored["notices"][0]["text"]
    assert system.simulator.ledger_dump() == {}


def test_a_message_reaches_the_worker_that_has_its_account(
    start_system: StartSystem, valkey: Valkey, tmp_path: Path
) -> None:
    system = start_system(followers=12, accounts=2)
    whole = (tmp_path / "accounts.toml").read_text("utf-8")
    first, second = (f"[accounts.account{part}" for part in whole.split("[accounts.account")[1:])
    workers = []
    for n, part in enumerate((first, second)):
        (tmp_path / f"accounts-{n}.toml").write_text(part, "utf-8")
        workers.append(system.worker(BROADCAST_ACCOUNTS_FILE=str(tmp_path / f"accounts-{n}.toml")))
    # Passed from one to the other too often, a wake is lost; the sweep finds what it was for.
    system.beat()
    accounts = system.simulator.accounts
    with foreign.app_of(valkey.url, valkey.url) as app:
        answers = [
            foreign.enqueue(
                app,
                **foreign.request(
                    system.simulator.openids(12, appid=one.appid)[2 * n : 2 * n + 2],
                    key=f"{n}",
                    account=one.name,
                ),
            )
            for n in range(6)
            for one in accounts
        ]
        nobodys = foreign.enqueue(app, **foreign.request(["x"], key="x", account="nobody"))
        made = [one.get(timeout=60) for one in answers]
        refused = nobodys.get(timeout=60)

    assert [one["error"] for one in made] == [None] * 12
    assert refused["error"]["code"] == "error.settings.unknown_account"
    assert [one["id"] for one in foreign.dead_letters(system)] == [refused["dead_letter"]]
    for one in made:
        report = system.until_state(one["id"], "completed")
        assert (report.created_by or "").count("celery ") == 1
    assert "Traceback" not in workers[0].output + workers[1].output


def test_while_the_database_is_away_messages_wait_in_the_broker(
    postgresql_url: str,
    start_system: StartSystem,
    valkey: Valkey,
    tcp_proxy: MakeProxy,
) -> None:
    url = make_url(postgresql_url)
    proxy = tcp_proxy(Path(str(url.query["host"])) / f".s.PGSQL.{url.port or 5432}")
    direct = url.difference_update_query(["host"]).set(host=LOOPBACK, port=proxy.port)
    system = start_system(followers=4, database_url=postgresql_url)
    worker = system.worker(DATABASE_URL=direct.render_as_string(hide_password=False))
    people = system.simulator.openids(4)
    proxy.refuse()
    proxy.cut()
    with foreign.app_of(valkey.url, valkey.url) as app:
        good = foreign.enqueue(app, **foreign.request(people, key="a"))
        bad = foreign.enqueue(app, **foreign.request(people))
        app.send_task("broadcast.enqueue2", queue=names.ENQUEUE)
        waits = "waits in the broker"
        until(lambda: worker.output.count(waits) >= 3, 60, "a line of each message")
        proxy.accept()
        made, refused = good.get(timeout=120), bad.get(timeout=120)

    system.until_state(made["id"], "completed")
    until(lambda: dead_letters.count(system.engine) == 2, 60, "both bad messages kept")
    assert refused["error"]["code"] == "error.request.missing"
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert "Traceback" not in worker.output


def test_a_result_that_nobody_can_be_told_costs_no_broadcast(
    start_system: StartSystem, valkey: Valkey, rabbitmq_url: str
) -> None:
    """RabbitMQ is the broker; the Redis for results, tokens and pace is away."""
    system = start_system(followers=4, CELERY_BROKER_URL=rabbitmq_url)
    worker, _ = system.worker(), system.beat()
    people = system.simulator.openids(4)
    valkey.kill()
    with foreign.app_of(rabbitmq_url) as app:
        foreign.enqueue(app, **foreign.request(people, key="a"))
        foreign.enqueue(app, **foreign.request(people))
    until(lambda: worker.output.count("no answer was left") == 2, 60, "two lines about it")

    (report,) = system.all_reports()
    assert dead_letters.count(system.engine) == 1
    valkey.revive()
    system.until_state(report.id, "completed")
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert "Traceback" not in worker.output


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("messages", "kills"),
    [pytest.param(80, 1), pytest.param(10_000, 12, marks=pytest.mark.prove)],
)
def test_killed_workers_lose_and_double_no_message(
    start_system: StartSystem, valkey: Valkey, messages: int, kills: int
) -> None:
    """A tenth comes twice, a tenth is bad; each kill leaves messages in a dead worker's hands.

    A tenth more is no message at all, whatever kombu reads.
    """
    dice = random.Random(SEED)
    tenth = messages // 10
    good = messages - 2 * tenth
    # Threads that wait for SQLite's one writer make nothing faster.
    system = start_system(followers=EACH * good, BROADCAST_CONCURRENCY="8")
    people = system.simulator.openids(EACH * good)
    asked = [
        foreign.request(people[EACH * n : EACH * (n + 1)], key=f"order-{n}", text=f"Order {n}")
        for n in range(good)
    ]
    bad = [{**dice.choice(asked), "key": f"bad-{n}", "titles": n} for n in range(tenth)]
    sent = [*asked, *dice.sample(asked, tenth), *bad]
    dice.shuffle(sent)
    with foreign.app_of(valkey.url) as app, valkey.client() as client:
        for n, one in enumerate(sent):
            foreign.enqueue(app, **one)
            if n % 10 == 0:
                client.lpush(names.ENQUEUE, f"junk {n}")
    worker = system.worker()
    system.beat()
    for n in range(kills):
        at = good * (n + 1) // (kills + 2)
        until(lambda at=at: stored(system) >= at, 600, f"{at} broadcasts")  # type: ignore[misc]
        worker.kill()
        foreign.age_what_a_killed_worker_held(valkey)
        worker = system.again(worker)

    until(lambda: stored(system, Phase.ENDED) == good, 600, "a broadcast for each good key, sent")
    dead = tenth + len(range(0, len(sent), 10))
    until(lambda: dead_letters.count(system.engine) == dead, 600, "every bad message kept")
    with valkey.client() as client:
        until(lambda: not client.llen(names.UNREAD), 60, "all junk out of the broker")
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert "Traceback" not in worker.output


def stored(system: System, phase: Phase | None = None) -> int:
    """How many broadcasts there are, all, with what a kill left half stored, or in a phase."""
    query = select(func.count()).select_from(BroadcastRow)
    with system.engine.connect() as connection:
        return connection.scalar(query if phase is None else query.filter_by(phase=phase)) or 0
