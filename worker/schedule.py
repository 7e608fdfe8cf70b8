"""Celery's schedule, with one fault fixed: it goes on when the clock was set back.

Celery keeps in a file when each entry was last published, by the machine's clock. A clock that was
days ahead and is put right leaves times of the future there, and no entry would be due until then,
in no process that reads the file.
"""

from __future__ import annotations

from typing import Any

from celery import beat


class Scheduler(beat.PersistentScheduler):
    """A schedule whose entries were published now, where they say that it is yet to come."""

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - Celery's own
        """Publish what is due; return the seconds until the next look."""
        now = self.app.now()
        ahead = [one for one in self.schedule.values() if one.last_run_at and one.last_run_at > now]
        for entry in ahead:
            entry.last_run_at = now
        if ahead:
            # By it they would wait all the same.
            self._heap = None
        return float(super().tick(*args, **kwargs))
