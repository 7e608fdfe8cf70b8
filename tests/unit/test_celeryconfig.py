"""Celery accepts an unknown setting in silence, and throws away a message of an unknown task."""

from __future__ import annotations

from celery.app.defaults import NAMESPACES, flatten

import celeryconfig
from broadcast import names

KNOWN = {pair[0] for pair in flatten(NAMESPACES)}
SETTINGS = [name for name in vars(celeryconfig) if not name.startswith("_") and name.islower()]


def test_every_setting_is_one_that_celery_knows() -> None:
    assert SETTINGS
    assert [name for name in SETTINGS if name not in KNOWN and name != "annotations"] == []


def test_the_queue_of_other_programs_is_declared_as_celery_would_declare_it_for_them() -> None:
    queues = {queue.name: queue for queue in celeryconfig.task_queues}
    assert set(queues) == {names.QUEUE, names.ENQUEUE}
    mine = queues[names.ENQUEUE]
    assert (mine.exchange.name, mine.exchange.type, mine.routing_key, mine.durable) == (
        names.ENQUEUE,
        "direct",
        names.ENQUEUE,
        True,
    )


def test_every_wake_of_beat_expires_but_not_where_two_clocks_differ_by_an_hour() -> None:
    for entry in celeryconfig.beat_schedule.values():
        period_s = entry["schedule"]
        assert isinstance(period_s, int | float)
        assert entry["options"] == {"expires": period_s + 3600}
