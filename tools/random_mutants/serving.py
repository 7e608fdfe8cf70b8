"""A pytest plugin: a pytest that has imported everything, and forks for each mutant.

Imports and collection take most of the time of a short run. So they are made once; then each line
of standard input is an order, and a fork puts the function that was changed in place of the one
that it has, and runs the tests that the order names until one fails. The parent answers with the
fork's number, and at its end with its exit status. What a test said is in the file `ran`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NoReturn

import pytest

from tools.random_mutants import steady

#: The function cannot be put in place of another: its module has to be imported anew.
NOT_SWAPPED = 90
ANSWERS = "RANDOM_MUTANTS_ANSWERS"
RAN: list[Path] = []
Items = dict[str, list[pytest.Item]]


def pytest_configure() -> None:
    """Begin before any test is imported."""
    steady.begin()


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Serve, instead of running the tests."""
    items: Items = defaultdict(list)
    for item in session.items:
        items[item.nodeid].append(item)
        items[item.nodeid.partition("::")[0]].append(item)
    _say("ready")
    for order in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(session, items, json.loads(order))
        _say(pid)
        _say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs another database than SQLite, or RabbitMQ."""
    steady.leave_out(config, items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test ended."""
    if report.when == "call" or report.outcome != "passed":
        with RAN[0].open("a", encoding="utf-8") as ran:
            ran.write(f"{report.outcome} {report.nodeid}\n")
            if report.failed:
                ran.write(f"  {str(report.longrepr)[-2000:]!r}\n")


def _run(session: pytest.Session, items: Items, order: dict[str, Any]) -> NoReturn:
    """Be one trial, and end."""
    status = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        guards = sys.modules["tests.servers.guards"]  # pytest has to be the first to import it
        os.environ[guards.MARK_NAME] = uuid.uuid4().hex
        signal.signal(signal.SIGTERM, _end_in_order)
        RAN.append(Path(order["ran"]))
        if order["function"] and not swap(Path(order["file"]), tuple(order["function"])):
            status = NOT_SWAPPED
        else:
            session.items = [item for test in order["tests"] for item in items[test]]
            session.testscollected = len(session.items)
            session.config.option.maxfail = order["maxfail"]
            status = _loop(session)
    except BaseException:  # noqa: BLE001 - nothing of the parent may run in a fork
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _loop(session: pytest.Session) -> int:
    try:
        for n, item in enumerate(session.items):
            later = session.items[n + 1] if n + 1 < len(session.items) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=later)
            if session.shouldfail:
                break
    finally:
        # The servers of the fork end with it.
        session._setupstate.teardown_exact(None)  # noqa: SLF001 - as pytest does at its end
    return 1 if session.testsfailed else 0


def swap(file: Path, function: tuple[str, int]) -> bool:
    """Give a function (its name, its line) the code that the file has now; return whether it has.

    Whoever imported it has the same function, whatever decorates it.
    """
    new = {
        (code.co_qualname, code.co_firstlineno): code
        for code in _codes(compile(file.read_bytes(), str(file), "exec"))
    }[function]
    found = [
        one
        for one in gc.get_objects()
        if isinstance(one, FunctionType)
        and one.__code__.co_filename == str(file)
        and (one.__code__.co_qualname, one.__code__.co_firstlineno) == function
    ]
    for one in found:
        if one.__code__.co_freevars != new.co_freevars:
            return False
        one.__code__ = new
    return bool(found)


def _codes(module: CodeType) -> Iterator[CodeType]:
    for one in module.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


def _end_in_order(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt("the limit")


def _say(what: object) -> None:
    os.write(int(os.environ[ANSWERS]), f"{what}\n".encode())
