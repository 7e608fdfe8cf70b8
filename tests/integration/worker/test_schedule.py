"""Beat publishes whatever happens to the machine's clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from celery.beat import PersistentScheduler

from celeryconfig import beat_schedule
from worker import application
from worker.celery_parts import Scheduler

DAYS = timedelta(days=2)


class Beat:
    """A schedule on a file, whose clock is the test's."""

    def __init__(
        self, kind: type[PersistentScheduler], file: Path, patch: pytest.MonkeyPatch
    ) -> None:
        self.app = application.make()
        # Entries that were read from the file have the current app's clock.
        self.app.set_current()
        self.now: datetime = self.app.now()
        self.published: Counter[str] = Counter()
        patch.setattr(self.app, "now", lambda: self.now)
        patch.setattr(kind, "apply_entry", lambda _, entry, **__: self.publish(entry.name))
        self.scheduler = kind(app=self.app, schedule_filename=str(file))

    def publish(self, name: str) -> None:
        self.published[name] += 1

    def run(self, duration: timedelta) -> Counter[str]:
        """Tick for so long; return what was published meanwhile."""
        self.published.clear()
        end = self.now + duration
        while self.now < end:
            self.now += timedelta(seconds=max(self.scheduler.tick(), 0.05))
        return Counter(self.published)


@pytest.fixture
def beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beat]:
    made = Beat(Scheduler, tmp_path / "schedule", monkeypatch)
    yield made
    made.scheduler.close()


def all_but_the_slow(published: Counter[str]) -> bool:
    return set(published) >= set(beat_schedule) - {"refresh-token"}


def test_beat_publishes_everything_after_the_clock_was_set_back(beat: Beat) -> None:
    assert all_but_the_slow(beat.run(timedelta(minutes=2)))

    beat.now -= DAYS
    after = beat.run(timedelta(minutes=2))

    assert all_but_the_slow(after)
    assert 35 <= after["sweep"] <= 45


def test_a_beat_that_starts_after_the_clock_was_set_back_publishes_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beat: Beat
) -> None:
    beat.run(timedelta(minutes=2))
    beat.scheduler.close()

    again = Beat(Scheduler, tmp_path / "schedule", monkeypatch)
    again.now = beat.now - DAYS

    assert all_but_the_slow(again.run(timedelta(minutes=2)))
    again.scheduler.close()


def test_a_clock_that_jumps_to_and_fro_keeps_no_entry_waiting(beat: Beat) -> None:
    published: Counter[str] = Counter()
    for n in range(200):
        beat.now += DAYS if n % 2 else -DAYS
        published += beat.run(timedelta(seconds=1.5))

    assert set(published) == set(beat_schedule)
