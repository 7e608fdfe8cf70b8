"""``broadcast up``: Valkey, a worker and a beat in one terminal, against any WeChat.

Where ``REDIS_URL`` is set, that Redis is used. Else an embedded Valkey is started, and its URL is
left in a file that commands in other terminals read (``broadcast.settings.program_settings``), so
that they find it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic

from sqlalchemy import Engine

from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.logs import kept_log
from broadcast.message import Message
from broadcast.rules.accounts import KEYWORDS, Account, no_account
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.readiness import failed, off_alone
from broadcast.rules.reports import Report
from broadcast.settings.program_settings import UP, UP_ACCOUNTS, UP_DATABASE, UP_REDIS, Settings
from broadcast.views import blocker_lines
from broadcast.views.words import Moment, follower_count
from entrypoints.cli.embedded import embedded_parts
from entrypoints.cli.embedded.supervisor import Supervisor, beside_proxies
from entrypoints.cli.listening import CALLBACK_PORT
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Terminal
from models.ledger.views import broadcast_reports, in_flight

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
    settings.receivers()
    settings.signing_secrets()
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
            callback_port = trial_callback_port(callback_port)
            stack.enter_context(trial_simulator(supervisor, settings, callback_port=callback_port))
        if checked:
            # With the Valkey that was just started: the access_token is shared there.
            _check(terminal)
        else:
            terminal.say("up.unchecked")
        _serve(
            supervisor,
            terminal,
            accounts,
            backlog=backlog,
            callback_port=callback_port,
            closed=_is_closed(terminal),
        )
    return 0


def _accounts(settings: Settings, *, simulated: bool) -> list[Account]:
    """Return the accounts that can send."""
    # Of a simulator that was killed it may still be there.
    UP_ACCOUNTS.unlink(missing_ok=True)
    known = settings.accounts()
    if simulated:
        if known:
            raise InputError("error.embedded.accounts_set", accounts=list(known))
        return [ACCOUNT]
    if not known:
        raise no_account()
    return list(known.values())


def _close_to_others(folder: Path) -> None:
    """Close to other users what an older version left open: access_tokens are among it."""
    for one in (folder, *folder.rglob("*")):
        if one.is_symlink():
            # What it leads to is somebody else's.
            continue
        # A part of one that was killed just now may put its files aside meanwhile.
        with suppress(FileNotFoundError):
            one.chmod(one.stat().st_mode & 0o700)


def _serve(
    supervisor: Supervisor,
    terminal: Terminal,
    accounts: Collection[str],
    *,
    backlog: Iterable[Message],
    callback_port: int,
    closed: bool = False,
) -> None:
    """Run worker and beat until Ctrl-C, or until a part ends unasked.

    *closed*: nothing is sent before a person says what became of the database.
    """
    terminal.say_each(backlog)
    embedded_parts.workers(supervisor)
    terminal.say("up.closed" if closed else "up.ready", accounts=list(accounts), logs=UP)
    if UP_REDIS.is_file():
        terminal.say("up.redis", path=UP_REDIS)
    if any(account.callback_token for account in Settings.load().accounts().values()):
        terminal.say("up.callback", url=embedded_parts.callback(supervisor, port=callback_port))
    if ACCOUNT.name in accounts and UP_ACCOUNTS.is_file():
        terminal.say("up.simulated", openids=OPENIDS)
    with suppress(KeyboardInterrupt):
        while (child := supervisor.ended()) is None:
            if supervisor.restart_guard():
                terminal.note("up.guard")
            kept_log.make_room(supervisor.log_of("valkey"))
            time.sleep(_LOOK_EVERY_S)
        raise OutOfReachError("error.embedded.ended", name=child.name, log=child.log)
    terminal.say("up.stopping")


def _check(terminal: Terminal) -> None:
    """Print the checks. Raises NotReadyError, RedisAwayError, DatabaseAwayError."""
    from entrypoints.cli import readiness_checks

    # The way that the parts will go.
    os.environ.update(beside_proxies(os.environ))
    with _closed_after(terminal) as run:
        accounts = run.settings.accounts()
        terminal.say("up.checking")
        checks = readiness_checks.checks(run.wechat, run.settings, run.engine)
    terminal.say_each(readiness_checks.lines(checks, terminal.texts, accounts=len(accounts)))
    off = off_alone(checks, accounts)
    if off is None:
        raise NotReadyError("error.embedded.checks", n=len(failed(checks)))
    if off:
        terminal.warn("up.some_off", accounts=off)


def _is_closed(terminal: Terminal) -> bool:
    """Return whether a person is to say first what became of the database."""
    from entrypoints.cli.commands import restored

    with _closed_after(terminal) as run:
        return restored.is_closed(run)


@contextmanager
def _closed_after(terminal: Terminal) -> Iterator[Run]:
    """Yield the parts of a command."""
    run = Run(terminal)
    try:
        yield run
    finally:
        run.wechat.close()
        run.engine.dispose()


def _upgraded(settings: Settings, known: Collection[Account]) -> list[Message]:
    """Migrate the database; return what it holds for the workers to come.

    Raises SettingsError where it has an account under another name, or a name with another appid.
    """
    from models import schema
    from models.engine import open_engine
    from models.ledger.rows.known_accounts import check_account

    engine = open_engine(settings.database())
    try:
        schema.upgrade(engine)
        for account in known:
            check_account(engine, account)
        return list(backlog_lines(engine, [one.name for one in known]))
    finally:
        engine.dispose()


@contextmanager
def _alone() -> Iterator[int]:
    """Refuse a second one: it would share the first one's data and take its address away.

    Of one that was killed a moment ago its guard and its parts have the lock until they are dead.
    """
    with (UP / "lock").open("w") as lock:
        give_up = monotonic() + _FREE_WITHIN_S
        while not _locked(lock.fileno()):
            if monotonic() >= give_up:
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
    url = embedded_parts.valkey(supervisor, data=UP / "valkey")
    supervisor.env["REDIS_URL"] = url
    embedded_parts.write_private(UP_REDIS, url)
    try:
        yield
    finally:
        UP_REDIS.unlink(missing_ok=True)


ACCOUNT = embedded_parts.TRIAL_ACCOUNT
#: As the commands are run in the project's folder.
OPENIDS = "examples/openids.csv"


def trial_callback_port(port: int) -> int:
    """Return the port for pushes: nobody else pushes here, so the usual one need not be free."""
    return embedded_parts.free_port() if port in {0, CALLBACK_PORT} else port


@contextmanager
def trial_simulator(
    supervisor: Supervisor, settings: Settings, *, callback_port: int
) -> Iterator[None]:
    """Start the simulator with the account of the demo, and leave the account where it is found.

    It pushes to the callback server that is to listen on *callback_port*. What followers' words
    do is as the settings say.
    """
    followers = str(embedded_parts.TRIAL_FOLLOWERS)
    url = embedded_parts.simulator(
        supervisor,
        [ACCOUNT],
        "--port",
        "0",
        "--followers",
        followers,
        callback=f"http://{embedded_parts.LOOPBACK}:{callback_port}",
    )
    with left(url, settings):
        yield


@contextmanager
def left(url: str, settings: Settings) -> Iterator[None]:
    """Leave the account, and the database that it is for, where other terminals find them."""
    assert ACCOUNT.callback_token is not None
    secret, token = (one.get_secret_value() for one in (ACCOUNT.appsecret, ACCOUNT.callback_token))
    embedded_parts.write_private(UP_DATABASE, settings.whole_database_url)
    embedded_parts.write_private(
        UP_ACCOUNTS,
        f'[accounts.{ACCOUNT.name}]\nappid = "{ACCOUNT.appid}"\nappsecret = "{secret}"\n'
        f'api_base = "{url}"\ncallback_token = "{token}"\n{_keywords(settings)}',
    )
    try:
        yield
    finally:
        UP_ACCOUNTS.unlink(missing_ok=True)
        UP_DATABASE.unlink(missing_ok=True)


def _keywords(settings: Settings) -> str:
    given = {name: getattr(settings, name) for name in sorted(KEYWORDS)}
    # A string of JSON is one of TOML.
    return "".join(
        f"{name} = {json.dumps(text, ensure_ascii=False)}\n"
        for name, text in given.items()
        if text is not None
    )


#: Most broadcasts that are named; the rest is counted.
MOST_NAMED = 20


def backlog_lines(engine: Engine, known: Collection[str]) -> Iterator[Message]:
    """Yield the work left for workers of the *known* accounts, oldest first, and what stops it.

    Of accounts that a person or WeChat stopped it is the command. Raises DatabaseAwayError.
    """
    found = [
        broadcast_reports.report(engine, one, whole=False)
        for one in in_flight.going_on(engine, known)
    ]
    yield from _of_stopped(found)
    unhindered = [one for one in found if not one.lane.is_off]
    if not unhindered:
        return
    yield Message("up.backlog")
    for one in unhindered[:MOST_NAMED]:
        held = blocker_lines.will_be_held(broadcast_reports.report(engine, one.id))
        yield Message(
            "up.backlog_late" if held else "up.backlog_line",
            id=one.id,
            account=one.account,
            followers=follower_count(one.recipients["waiting"]),
            since=Moment(one.created_at, one.now),
            late_by=one.late_by,
        )
    if len(unhindered) > MOST_NAMED:
        yield Message("up.backlog_more", n=len(unhindered) - MOST_NAMED)


def _of_stopped(found: Sequence[Report]) -> Iterator[Message]:
    """Yield of each account that is stopped how much waits, and the command that lets it go on."""
    # Of a restored database that is said of all at once.
    stopped = [one for one in found if one.lane.is_off and not one.lane.gate(GateKind.RESTORED)]
    for account in sorted({one.account for one in stopped}):
        theirs = [one for one in stopped if one.account == account]
        waiting = sum(one.recipients["waiting"] or 0 for one in theirs)
        yield Message(
            "up.backlog_stopped",
            account=account,
            n=len(theirs),
            followers=follower_count(waiting),
            command=theirs[0].lane.opened_by(account),
        )
