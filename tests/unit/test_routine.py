"""What an idle worker logs all day is left out of a log that is kept; nothing else is."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from broadcast import names
from worker.log_filters import WithoutGivenBack, WithoutRoutine

RECEIVED = "celery.worker.strategy"
ENDED = "celery.app.trace"
BEAT = "celery.beat"


def record(logger: str, *arguments: object, level: int = logging.INFO, **extra: Any) -> Any:
    made = logging.LogRecord(logger, level, "x.py", 1, "%s", arguments, None)
    made.__dict__.update(extra)
    return made


def of_task(name: str, logger: str = ENDED, level: int = logging.INFO) -> Any:
    return record(logger, {"name": name}, level=level, data={"name": name})


@pytest.fixture
def at_info(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("at_info")
def test_regular_tasks_that_went_well_are_left_out() -> None:
    shown = WithoutRoutine().filter

    for name in (names.SWEEP, names.LAUNCH_DUE, names.POLL_RESULTS, names.REFRESH_TOKEN):
        assert not shown(of_task(name, RECEIVED))
        assert not shown(of_task(name, ENDED))
        assert not shown(record(BEAT, "entry", name))


@pytest.mark.usefixtures("at_info")
def test_everything_else_is_kept() -> None:
    shown = WithoutRoutine().filter

    assert shown(of_task(names.SEND_BATCH))
    assert shown(of_task(names.SWEEP, level=logging.ERROR))
    assert shown(record("worker.tasks", names.SWEEP))
    assert shown(record(BEAT))


def test_at_debug_all_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]

    assert WithoutRoutine().filter(of_task(names.SWEEP))


def test_celerys_page_on_a_message_that_goes_back_is_left_out() -> None:
    def page(name: str, description: str) -> logging.LogRecord:
        return record(name, level=logging.WARNING, data={"description": description})

    shown = WithoutGivenBack().filter
    assert not shown(page("celery.app.trace", "rejected"))
    assert shown(page("celery.app.trace", "raised unexpected"))
    assert shown(page("worker.enqueue", "rejected"))
