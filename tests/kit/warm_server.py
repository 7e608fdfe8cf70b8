"""A warm Python that forks itself for each program that :mod:`tests.kit.warm` orders.

A command takes a third of a second of a core, a worker two thirds, most of it for imports. Here
they are made once, and what they made is copied: each program is a process of its own, with its
own arguments, environment, folder and streams.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Engine

from broadcast import crashpoints
from tests.kit.shifted_clock import sitecustomize

#: What our programs import of others, much of it when it is first needed.
LIBRARIES = (
    "alembic.command",
    "alembic.config",
    "alembic.ddl.sqlite",
    "alembic.runtime.environment",
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.base",
    "celery.beat",
    "celery.bin.beat",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.thread",
    "celery.events.dispatcher",
    "celery.events.state",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.control",
    "celery.worker.state",
    "celery.worker.strategy",
    "dotenv",
    "getpass",
    "gzip",
    "kombu.transport.pyamqp",
    "kombu.transport.redis",
    "psycopg",
    "pymysql",
    "python_calamine",
    "requests",
    "rich.live",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlite3",
    "typer._adapters",
    "typer._click.decorators",
)
#: How a pid and an exit status are sent.
NUMBER = struct.Struct("i")
#: An order, where its end is reported to, and the three streams.
DESCRIPTORS = 5


def main() -> None:
    """Serve until the socket of the first argument is closed at its other end.

    The others are packages of ours that are imported, too.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    _import_everything(sys.argv[2:])
    threads = threading.enumerate()
    assert threads == [threading.main_thread()], f"a fork would lose {threads}"
    gc.collect()
    gc.freeze()
    module = serve(control)
    if module is not None:
        os._exit(_run(module))


def _import_everything(packages: Sequence[str]) -> None:
    for package in packages:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    for name in LIBRARIES:
        import_module(name)
    assert "celeryconfig" not in sys.modules, "it holds settings of this process"


def _run(module: str) -> int:
    """Be `python -m MODULE`; return the exit status.

    All that a person sees of an interpreter's end is done. What takes its memory to pieces would
    copy the whole of it, and take longer than a command.
    """
    try:
        if hasattr(sys.modules.get(module), "main"):
            # Run as a script it would be imported once more.
            sys.modules[module].main()
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else bool(end.code)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for those that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def serve(control: socket.socket) -> str | None:
    """Start what is ordered and report each end; in a process that is to be a module, its name.

    The process itself reports its pid, once it leads its session.
    """
    hears, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wakes.fileno())
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, hears], [], [])
        if hears in ready:
            hears.recv(4096)
            _report(running)
        if control in ready:
            data, descriptors, _, _ = socket.recv_fds(control, 1, DESCRIPTORS)
            if not data:
                return None
            pid = os.fork()
            if not pid:
                for each in (control, hears, wakes, *running.values()):
                    each.close()
                return _become(descriptors)
            running[pid] = socket.socket(fileno=descriptors[0])
            for number in descriptors[1:]:
                os.close(number)


def _report(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            # Whoever had no patience left does not listen any more.
            with running.pop(pid) as asker, contextlib.suppress(BrokenPipeError):
                asker.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _become(descriptors: list[int]) -> str:
    """Take arguments, environment, folder and streams for this process; return the module."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asker, order, *streams = descriptors
    with os.fdopen(order, encoding="ascii") as file:
        told: dict[str, Any] = json.load(file)
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    if told["session"]:
        os.setsid()
    # Only now: a signal to the group of a program that is known must find the group.
    with socket.socket(fileno=asker) as reporter:
        reporter.sendall(NUMBER.pack(os.getpid()))
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    if "PYTHONUNBUFFERED" in os.environ:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # What an interpreter reads at its start or while it imports our modules.
    if crashpoints.VARIABLE in os.environ:
        crashpoints._passing = crashpoints._armed(os.environ[crashpoints.VARIABLE])
    if sitecustomize.VARIABLE in os.environ:
        sitecustomize.shift(Engine, Path(os.environ[sitecustomize.VARIABLE]))
    sys.argv = ["broadcast", *told["words"]]
    sys.path[0] = told["folder"]
    return str(told["module"])


if __name__ == "__main__":
    main()
