"""The demo: a whole broadcast with real parts against the simulator, two faults on the way.

Nothing in it is special to the demo but the faults: it runs ``broadcast send`` as a user would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from broadcast.frozen import frozen
from broadcast.settings import environment, program_settings
from broadcast.settings.program_settings import ROOT, VAR
from entrypoints.cli import exits
from entrypoints.cli.embedded import embedded_parts
from entrypoints.cli.embedded.supervisor import Supervisor
from entrypoints.cli.progress import leave_the_bar
from entrypoints.cli.terminal import Plain, Terminal

OPENIDS = ROOT / "examples" / "openids.csv"
ACCOUNT = embedded_parts.TRIAL_ACCOUNT
FOLLOWERS = embedded_parts.TRIAL_FOLLOWERS
MASS_SEND = "/cgi-bin/message/mass/send"
_ADMIN_TIMEOUT_S = 10


@frozen
class Ledger:
    """Deliveries counted by the simulator."""

    calls: int
    jobs: int
    distinct: int
    doubled: int


def run(terminal: Terminal) -> int:
    """Run the demo and return its exit status: 0 if every follower got it exactly once."""
    try:
        return _run(terminal)
    except KeyboardInterrupt:
        # By now everything is stopped and its folder gone.
        terminal.note("demo.interrupted")
        return exits.INTERRUPTED


def _run(terminal: Terminal) -> int:
    _forget_the_user_s_settings()
    with _folder() as folder, Supervisor(folder, _environment(folder, terminal)) as supervisor:
        terminal.say("demo.starting")
        url = _start(supervisor)
        _order_faults(url)
        terminal.say("demo.faults")
        terminal.say(Plain(""))
        status = _send(supervisor, terminal)
        ledger = _ledger(url)
    return _tell(terminal, ledger, status)


def _forget_the_user_s_settings() -> None:
    """Hide the user's own accounts and servers from children; this process is the demo's alone."""
    known = program_settings.variables()
    for name in [name for name in os.environ if name.upper() in known]:
        del os.environ[name]


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder that is gone when the demo has ended."""
    VAR.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=VAR))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, terminal: Terminal) -> dict[str, str]:
    """Return the variables of the children beside the environment of this process."""
    return {
        environment.DEMO: "yes",
        "BROADCAST_LANG": terminal.texts.language,
        "DATABASE_URL": f"sqlite:///{folder / 'broadcast.db'}",
        "WECHAT_APPID": ACCOUNT.appid,
        "WECHAT_APPSECRET": ACCOUNT.appsecret.get_secret_value(),
        "WECHAT_ACCOUNT_KIND": ACCOUNT.account_kind.value,
        "WECHAT_TOKEN_MODE": ACCOUNT.token_mode,
        "WECHAT_CALLS_PER_MINUTE": "60",
    }


def _start(supervisor: Supervisor) -> str:
    """Start every part; return the simulator's URL."""
    from models import schema
    from models.engine import open_engine

    redis_url = embedded_parts.valkey(supervisor)
    supervisor.env |= {"REDIS_URL": redis_url, "CELERY_BROKER_URL": redis_url}
    url = embedded_parts.simulator(supervisor, [ACCOUNT], "--followers", str(FOLLOWERS))
    supervisor.env["WECHAT_API_BASE"] = url
    engine = open_engine(supervisor.env["DATABASE_URL"])
    schema.upgrade(engine)
    engine.dispose()
    embedded_parts.workers(supervisor)
    return url


def _order_faults(url: str) -> None:
    """Order two faults: one reply lost after WeChat took the batch, one dead token."""
    for fault in (
        {"kind": "drop", "when": "after", "path": MASS_SEND, "skip": 1},
        {"kind": "invalidate_token", "path": MASS_SEND, "skip": 3},
    ):
        _admin("POST", f"{url}/admin/faults", json=fault)


def _admin(method: str, url: str, *, json: object = None) -> Any:
    """Ask the simulator's admin API, without the proxy that the environment may name."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, json=json, timeout=_ADMIN_TIMEOUT_S)
    answer.raise_for_status()
    return answer.json()


def _send(supervisor: Supervisor, terminal: Terminal) -> int:
    """Run ``broadcast send`` in this terminal.

    In a session of its own, so that Ctrl-C reaches us alone: it would say that its broadcast goes
    on, which is true everywhere but here.
    """
    command = [
        str(Path(sys.executable).parent / "broadcast"),
        "send",
        "--openids",
        str(OPENIDS),
        "--text",
        terminal.in_words("demo.text"),
        "--yes",
        "--wait",
    ]
    try:
        return subprocess.run(  # noqa: S603 - our own program
            command,
            env={**os.environ, **supervisor.env},
            cwd=supervisor.folder,
            check=False,
            start_new_session=True,
        ).returncode
    except KeyboardInterrupt:
        leave_the_bar()
        raise


def _ledger(url: str) -> Ledger:
    totals = _admin("GET", f"{url}/admin/ledger/{ACCOUNT.appid}")
    calls = _admin("GET", f"{url}/admin/calls")["calls"]
    jobs = _admin("GET", f"{url}/admin/jobs")["jobs"]
    return Ledger(
        calls=sum(bool(call["mass"]) for call in calls),
        jobs=len(jobs),
        distinct=totals["delivered_distinct"],
        doubled=totals["doubled"],
    )


def _tell(terminal: Terminal, ledger: Ledger, status: int) -> int:
    terminal.say(Plain(""))
    terminal.say(
        "demo.ledger",
        calls=ledger.calls,
        jobs=ledger.jobs,
        distinct=ledger.distinct,
        doubled=ledger.doubled,
    )
    once = ledger.distinct == FOLLOWERS and ledger.doubled == 0
    terminal.say("demo.once" if once else "demo.not_once", followers=FOLLOWERS)
    if once:
        terminal.say(Plain(""))
        terminal.say("demo.next")
    return status if once else 1
