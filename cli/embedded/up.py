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
from contextlib import ExitStack, contextmanager
from pathlib import Path

from broadcast.accounts import Account, no_account
from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.message import Message
from broadcast.readiness import failed, off_alone
from broadcast.settings import UP, UP_ACCOUNTS, UP_REDIS, Settings
from cli.embedded import parts, trial
from cli.embedded.loopback import beside_proxies
from cli.embedded.supervisor import Supervisor
from cli.listening import CALLBACK_PORT
from cli.terminal import Terminal
from cli.wiring.run import Run
from worker import kept_log

_LOOK_EVERY_S = 0.5
#: Longer than a guard needs.
_FREE_WITHIN_S = 3.0


class NotReadyError(BroadcastError):
    """A check failed before the start: nobody would get anything."""


def run(
    terminal: Terminal,
    *,
    checked: bool = True,
    simulated: bool = False,
    callback_port: int = CALLBACK_PORT,
) -> int:
    """Run until Ctrl-C (status 0) or until a part ends unasked (OutOfReachError).

    *checked*: first ask WeChat whether it takes calls of every account, and compare the clocks.
    *simulated*: with a simulator in WeChat's place. *callback_port*: where WeChat's pushes are
    taken, if an account has a token for them. Raises NotReadyError where no account can send,
    InputError where an account is set beside a simulator, and SettingsError where no account is
    known: nobody could send anything.
    """
    settings = Settings.load()
    UP.mkdir(parents=True, exist_ok=True)
    _close_to_others(UP)
    # In this folder, so that the parts read the `.env` and the relative paths that we read.
    with _alone() as lock, ExitStack() as stack:
        # Not beside another one, or under the parts of one that was killed just now.
        known = _accounts(settings, simulated=simulated)
        accounts = [one.name for one in known]
        backlog = _upgraded(settings, known)
        supervisor = stack.enter_context(Supervisor(UP, {}, cwd=Path.cwd(), lock=lock))
        stack.enter_context(_redis(supervisor))
        if simulated:
            callback_port = trial.callback_port(callback_port)
            stack.enter_context(trial.simulator(supervisor, settings, callback_port=callback_port))
        if checked:
            # With the Valkey that was just started: the access_token is shared there.
            _check(terminal)
        else:
            terminal.say("up.unchecked")
        _serve(supervisor, terminal, accounts, backlog=backlog, callback_port=callback_port)
    return 0


def _accounts(settings: Settings, *, simulated: bool) -> list[Account]:
    """Return the accounts that can send."""
    # Of a simulator that was killed it may still be there.
    UP_ACCOUNTS.unlink(missing_ok=True)
    known = settings.accounts()
    if simulated:
        if known:
            raise InputError("error.embedded.accounts_set", accounts=list(known))
        return [trial.ACCOUNT]
    if not known:
        raise no_account()
    return list(known.values())


def _close_to_others(folder: Path) -> None:
    """Take from other users what an older version left open: access_tokens are among it."""
    for one in (folder, *folder.rglob("*")):
        if one.is_symlink():
            # What it leads to is somebody else's.
            continue
        # A part of one that was killed just now may put its files aside meanwhile.
        with contextlib.suppress(FileNotFoundError):
            one.chmod(one.stat().st_mode & 0o700)


def _serve(
    supervisor: Supervisor,
    terminal: Terminal,
    accounts: Collection[str],
    *,
    backlog: Iterable[Message],
    callback_port: int,
) -> None:
    """Run worker and beat until Ctrl-C, or until a part ends unasked."""
    for line in backlog:
        terminal.say(line)
    worker, beat = parts.worker(supervisor), parts.beat(supervisor)
    worker.ready(parts.WORKER_READY)
    beat.ready(parts.BEAT_READY)
    terminal.say("up.ready", accounts=list(accounts), logs=UP)
    if UP_REDIS.is_file():
        terminal.say("up.redis", path=UP_REDIS)
    if any(account.callback_token for account in Settings.load().accounts().values()):
        terminal.say("up.callback", url=parts.callback(supervisor, port=callback_port))
    if trial.ACCOUNT.name in accounts and UP_ACCOUNTS.is_file():
        terminal.say("up.simulated", openids=trial.OPENIDS)
    with contextlib.suppress(KeyboardInterrupt):
        while (child := supervisor.ended()) is None:
            if supervisor.guarded_anew():
                terminal.note("up.guard")
            kept_log.make_room(supervisor.log_of("valkey"))
            time.sleep(_LOOK_EVERY_S)
        raise OutOfReachError("error.embedded.ended", name=child.name, log=child.log)
    terminal.say("up.stopping")


def _check(terminal: Terminal) -> None:
    """Print what was checked. Raises NotReadyError, RedisAwayError, DatabaseAwayError."""
    from cli.readiness import ask, lines  # noqa: PLC0415 - Celery, which is not for the help

    # The way that the parts will go.
    os.environ.update(beside_proxies(os.environ))
    run = Run(terminal)
    accounts = run.settings.accounts()
    terminal.say("up.checking")
    try:
        checks = ask.checks(run.wechat, run.settings, run.engine)
    finally:
        run.wechat.close()
        run.engine.dispose()
    for line in lines.lines(checks, terminal.texts, accounts=len(accounts)):
        terminal.say(line)
    off = off_alone(checks, accounts)
    if off is None:
        raise NotReadyError("error.embedded.checks", n=len(failed(checks)))
    if off:
        terminal.warn("up.some_off", accounts=off)


def _upgraded(settings: Settings, known: Collection[Account]) -> list[Message]:
    """Migrate the database; return what it holds for the workers to come.

    Raises SettingsError where it has an account under another name, or a name with another appid.
    """
    from cli.embedded import backlog  # noqa: PLC0415
    from models import schema  # noqa: PLC0415 - Alembic costs half a second
    from models.engine import open_engine  # noqa: PLC0415
    from models.ledger.reading.known import check  # noqa: PLC0415

    engine = open_engine(settings.database())
    try:
        schema.upgrade(engine)
        for account in known:
            check(engine, account)
        return list(backlog.lines(engine, [one.name for one in known]))
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
    parts.write_private(UP_REDIS, url)
    try:
        yield
    finally:
        UP_REDIS.unlink(missing_ok=True)
