"""A warm Python that forks itself for each command `broadcast`, for :mod:`tests.kit.commands`.

A command takes a third of a second of a core, most of it for imports. Here they are made once, and
what they made is copied: each command is a process of its own, with its own arguments,
environment, folder and streams.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
from importlib import import_module
from typing import Any

#: Ours, but for what reads settings while it is imported.
PACKAGES = ("broadcast", "models", "wechat", "coordination", "producer", "cli")
#: What commands import of others when they first need it.
LIBRARIES = (
    "alembic.command", "alembic.config", "alembic.ddl.sqlite", "alembic.runtime.environment",
    "celery.app.amqp", "celery.app.control", "celery.app.events", "celery.app.log",
    "celery.backends.base", "celery.events.dispatcher", "celery.fixups.django",
    "celery.loaders.app", "celery.worker.state", "dotenv", "getpass", "gzip",
    "kombu.transport.pyamqp", "kombu.transport.redis", "psycopg", "pymysql", "python_calamine",
    "rich.live", "rich.progress", "rich.table", "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite", "sqlite3",
    "typer._adapters", "typer._click.decorators",
)  # fmt: skip
#: An order, and the three streams.
DESCRIPTORS = 5


def main() -> None:
    """Serve until the other end of the socket is closed; its number is the one argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _import_everything()
    threads = threading.enumerate()
    assert threads == [threading.main_thread()], f"a fork would lose {threads}"
    gc.collect()
    gc.freeze()
    if serve(control):
        os._exit(_command())


def _command() -> int:
    """Be the command; return the exit status.

    All that a person sees of an interpreter's end is done. What takes its memory to pieces would
    copy the whole of it, and take longer than the command.
    """
    from cli.main import main as command

    try:
        command()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for those that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _import_everything() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    for name in LIBRARIES:
        import_module(name)
    assert "celeryconfig" not in sys.modules, "it holds settings of this process"


def serve(control: socket.socket) -> bool:
    """Start what is ordered and report each end; True in a process that is to be a command."""
    hears, rings = socket.socketpair()
    rings.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(rings.fileno())
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, hears], [], [])
        if hears in ready:
            hears.recv(4096)
            _report(running)
        if control in ready:
            data, descriptors, _, _ = socket.recv_fds(control, 1, DESCRIPTORS)
            if not data:
                return False
            pid = os.fork()
            if not pid:
                for each in (control, hears, rings, *running.values()):
                    each.close()
                _become(descriptors)
                return True
            running[pid] = socket.socket(fileno=descriptors[0])
            running[pid].sendall(f"{pid}\n".encode())
            for number in descriptors[1:]:
                os.close(number)


def _report(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with running.pop(pid) as asker:
                asker.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(descriptors: list[int]) -> None:
    """Take the command's arguments, environment, folder and streams for this process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asker, order, *streams = descriptors
    os.close(asker)
    with os.fdopen(order, encoding="ascii") as file:
        told: dict[str, Any] = json.load(file)
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = ["broadcast", *told["words"]]


if __name__ == "__main__":
    main()
