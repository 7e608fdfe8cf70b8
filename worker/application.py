"""The Celery application, and the start and end of a worker and a beat."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from celery import Celery, signals

from broadcast import installed, names, redaction
from broadcast.crashpoints import Point, failpoint
from broadcast.errors import BroadcastError, OutOfReachError, SettingsError
from broadcast.logs import log_facts, log_format, request_ids
from broadcast.logs.kept_log import KeptLog
from broadcast.logs.log_lines import refuse
from broadcast.message import Message
from broadcast.settings.environment import HEARTBEAT_FILE
from broadcast.settings.program_settings import USUAL_REDIS, VAR, Settings
from worker import flower, queue_transport
from worker.log_filters import WithoutGivenBack, WithoutRoutine

if TYPE_CHECKING:
    from celery.concurrency.base import BasePool

log = logging.getLogger(__name__)

#: What the first argument of a task names.
_SUBJECTS: Final = {
    names.PLAN: "broadcast",
    names.SEND_BATCH: "account",
    names.POLL_ACCOUNT: "account",
}
#: Seconds that a worker which ends waits for receivers.
_DELIVERIES_END_S = 3.0


@functools.cache
def make() -> Celery:
    """Return the one application of this process."""
    _refuse_where_not_installed()
    # Numpy's library would start a thread for each core, and interrupt the process where it cannot.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _refuse_wrong_settings()
    # Beat keeps its schedule there. Where it cannot be made, beat says so itself.
    with contextlib.suppress(OSError):
        VAR.mkdir(exist_ok=True)
    if flower.prepare(sys.argv, os.environ):
        _warn_of_guessed_redis()
    queue_transport.install()
    if log_format.is_json():
        _print_nothing()
    app = Celery("broadcast", task_cls="worker.messages:Task", events="worker.celery_parts:Events")
    app.config_from_object("celeryconfig")
    return app


def _refuse_where_not_installed() -> None:
    try:
        installed.require("requests", extra="worker")
    except OutOfReachError as missing:
        refuse(missing, status=missing.exit_status)


def _refuse_wrong_settings() -> None:
    """End the process with one line where Celery, which reads them later, prints a traceback."""
    try:
        Settings.load()
    except SettingsError as error:
        refuse(error, status=error.exit_status)


def _print_nothing() -> None:
    """Keep Celery's banners and Python's warnings out of a log of JSON."""
    from celery.apps import beat, worker

    vars(beat)["print"] = lambda _: None
    worker.Worker.emit_banner = lambda self: None  # type: ignore[method-assign] # noqa: ARG005
    vars(worker)["print"] = _log_celerys_words
    logging.captureWarnings(capture=True)


@signals.worker_init.connect
def _redact_what_celery_says(**_: object) -> None:
    """Log what Celery says at a signal: its dump of all threads (SIGUSR1) has their variables."""
    from celery.apps import worker

    vars(worker)["safe_say"] = _log_celerys_words


def _log_celerys_words(words: str, *_: object, **__: object) -> None:
    # A warning, because somebody asked for it, whatever the level is.
    log.warning("Celery says: %s", words.strip())


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | None = None, logfile: str | None = None, **_: object) -> None:
    """Log in English, with secrets masked, whatever library writes the record.

    To standard error, or to a file (``--logfile``), which is kept and bounded.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if logfile:
        handler = KeptLog(Path(logfile))
        handler.addFilter(WithoutRoutine())
    handler.addFilter(WithoutGivenBack())
    log_format.set_up(handler, level=loglevel or logging.INFO)
    redaction.install()
    _warn_of_guessed_redis()


def _warn_of_guessed_redis() -> None:
    """Log where Redis is looked for, where no setting and no `broadcast up` names it."""
    if Settings.load().redis_is_guessed:
        log.warning("%s", Message("send.redis_guessed", url=USUAL_REDIS))


@signals.worker_init.connect
def _refuse_what_cannot_be_trusted(sender: Any, **_: object) -> None:
    """Start only in threads, with files enough, on our schema, where commits are durable."""
    _refuse_other_pools(sender.pool_cls)
    from models import durability, schema
    from worker import celery_parts
    from worker.wiring import parts

    redaction.install()
    try:
        celery_parts.allow_descriptors(parts().settings.concurrency)
        engine = parts().engine
        schema.check(engine)
        durability.check(engine)
        parts().settings.accounts()
        parts().settings.signing_secrets()
        parts().notices.register(alone=True)
        if left_out := parts().settings.left_out():
            log.warning("%s", left_out)
    except BroadcastError as error:
        refuse(error, status=error.exit_status)


def _refuse_other_pools(pool: str | type[BasePool]) -> None:
    """End the process where a lane would not learn that it is to stop.

    Celery reports it in the worker's main process only. (``-P prefork`` is Celery's own default,
    which it takes for "as configured": threads.)
    """
    from celery.concurrency import get_implementation, thread

    kind = get_implementation(pool)
    if not issubclass(kind, thread.TaskPool):
        name = kind.__module__.rpartition(".")[2]
        refuse(Message("error.worker.pool", pool=name), status=2)


@signals.heartbeat_sent.connect
def _show_heartbeat(**_: object) -> None:
    """Touch a file while there is a broker, for a health check that starts no Python."""
    if path := os.environ.get(HEARTBEAT_FILE):
        # Where it cannot be, it grows old, and the check fails.
        with contextlib.suppress(OSError):
            Path(path).touch()


@signals.worker_ready.connect
def _compare_clocks(**_: object) -> None:
    from worker import celery_parts
    from worker.wiring import parts

    celery_parts.compare_clocks(parts().engine)


@signals.worker_ready.connect
def _show_metrics(**_: object) -> None:
    from worker.wiring import parts

    parts().metrics.start()


@signals.worker_ready.connect
def _wake_for_what_was_left(sender: object = None, **_: object) -> None:
    """Sweep at once: after a crash nothing waits for the next beat."""
    del sender
    from worker import wake

    wake.wake(names.SWEEP)


@signals.worker_ready.connect
def _watch_the_queue(sender: Any, **_: object) -> None:
    """Watch for how long messages of other programs may have waited."""
    from worker import queue_watch

    sender.timer.call_repeatedly(queue_watch.TICK_S, queue_watch.watch.tick, (sender.pool,))


@signals.worker_init.connect
def _let_slices_end_before_a_cold_shutdown(sender: Any, **_: object) -> None:
    """End each lane after its call on SIGQUIT, too.

    Celery sends the signal below only after a cold shutdown, soft or not, has waited for all tasks.
    """
    from worker.wiring import stopping

    wait = sender.wait_for_soft_shutdown

    def stop_and_wait() -> None:
        stopping.set()
        wait()

    sender.wait_for_soft_shutdown = stop_and_wait


@signals.worker_shutting_down.connect
def _let_slices_end(sig: str, **_: object) -> None:
    """End each lane after the call that is under way."""
    from worker.wiring import stopping

    log.info("this worker was told to end, by %s", sig)
    stopping.set()


@signals.worker_shutdown.connect
def _let_deliveries_end(**_: object) -> None:
    """Wait a moment for webhooks that are under way: one that is cut off is delivered again."""
    from worker.wiring import end_deliveries

    end_deliveries(_DELIVERIES_END_S)


@signals.task_prerun.connect
def _begin_for_a_request(
    task: Any,
    task_id: str,
    args: Sequence[object] = (),
    **_: object,
) -> None:
    """Add to the log what a task is about, and its request: that of another program is its own."""
    given = task_id if task.name == names.ENQUEUE else task.request.get(request_ids.HEADER)
    request_ids.woken_by.set(request_ids.shown(given))
    subject = _SUBJECTS.get(task.name)
    of = {subject: args[0]} if subject and args else {}
    log_facts.begin(task=task.name, task_id=task_id, **of)


@signals.task_postrun.connect
def _end_for_a_request(**_: object) -> None:
    request_ids.woken_by.set(None)
    log_facts.begin()


@signals.task_postrun.connect
def _pass_the_end_of_a_task(**_: object) -> None:
    failpoint(Point.TASK_ENDED)


@signals.beat_init.connect
def _refresh_at_start(**_: object) -> None:
    """Refresh the token when beat starts: its schedule alone would wait 100 minutes."""
    from worker import wake

    wake.wake(names.REFRESH_TOKEN)
