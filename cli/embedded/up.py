"""``broadcast up``: Valkey, a worker and a beat in one terminal, against any WeChat.

Where ``REDIS_URL`` is set, that Redis is used. Else an embedded Valkey is started, and its URL is
left in a file that commands in other terminals read (``broadcast.settings``), so that they find it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from broadcast.accounts import no_account
from broadcast.errors import InputError, OutOfReachError
from broadcast.message import Message
from broadcast.settings import UP, UP_REDIS, Settings
from cli.embedded import parts
from cli.embedded.supervisor import Supervisor
from cli.terminal import Terminal

_LOOK_EVERY_S = 0.5
#: Longer than a guard needs.
_FREE_WITHIN_S = 3.0


def run(terminal: Terminal) -> int:
    """Run until Ctrl-C (status 0) or until a part ends by itself (OutOfReachError).

    Raises SettingsError where no account is known: nobody could send anything.
    """
    settings = Settings.load()
    accounts = settings.accounts()
    if not accounts:
        raise no_account()
    UP.mkdir(parents=True, exist_ok=True)
    # In this folder, so that the parts read the `.env` and the relative paths that we read.
    with _alone() as lock:
        # Not beside another one, or under the parts of one that was killed just now.
        backlog = _upgraded(settings, accounts)
        with Supervisor(UP, {}, cwd=Path.cwd(), lock=lock) as supervisor, _redis(supervisor):
            _serve(supervisor, terminal, accounts, backlog=backlog)
    return 0


def _serve(
    supervisor: Supervisor,
    terminal: Terminal,
    accounts: Collection[str],
    *,
    backlog: Iterable[Message],
) -> None:
    """Run worker and beat until Ctrl-C, or until a part ends by itself."""
    for line in backlog:
        terminal.say(line)
    worker, beat = parts.worker(supervisor), parts.beat(supervisor)
    worker.ready(parts.WORKER_READY)
    beat.ready(parts.BEAT_READY)
    terminal.say("up.ready", accounts=list(accounts), logs=UP)
    with contextlib.suppress(KeyboardInterrupt):
        while (child := supervisor.ended()) is None:
            if supervisor.guarded_anew():
                terminal.note("up.guard")
            time.sleep(_LOOK_EVERY_S)
        raise OutOfReachError("error.embedded.ended", name=child.name, log=child.log)
    terminal.say("up.stopping")


def _upgraded(settings: Settings, known: Collection[str]) -> list[Message]:
    """Migrate the database; return what it holds for the workers to come."""
    from cli.embedded.backlog import lines  # noqa: PLC0415
    from models import schema  # noqa: PLC0415 - Alembic costs half a second
    from models.engine import open_engine  # noqa: PLC0415

    engine = open_engine(settings.database_url.get_secret_value())
    try:
        schema.upgrade(engine)
        return list(lines(engine, known))
    finally:
        engine.dispose()


@contextmanager
def _alone() -> Iterator[int]:
    """Refuse a second one: it would share the first one's data and take its address away.

    Of one that was killed a moment ago its guard and its parts have the lock until they are dead.
    """
    with (UP / "lock").open("w") as lock:
        give_up = time.monotonic() + _FREE_WITHIN_S
        while not _locked(lock.fileno()):
            if time.monotonic() >= give_up:
                raise InputError("error.embedded.running", logs=UP)
            time.sleep(_LOOK_EVERY_S)
        yield lock.fileno()


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _redis(supervisor: Supervisor) -> Iterator[None]:
    """Start the embedded Valkey, unless the environment names a Redis."""
    if os.environ.get("REDIS_URL") or "redis_url" in Settings.load().model_fields_set:
        yield
        return
    url = parts.valkey(supervisor, data=UP / "valkey")
    supervisor.env["REDIS_URL"] = url
    UP_REDIS.write_text(url, encoding="ascii")
    try:
        yield
    finally:
        UP_REDIS.unlink(missing_ok=True)
