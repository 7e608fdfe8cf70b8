"""Guards around every test: a clean environment before it, no process left after it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import uuid
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.kit import warm
from tests.servers.daemon import KEPT_PIDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

CONTRACT_NAMES = {"CELERY_BROKER_URL", "REDIS_URL", "DATABASE_URL"}
CONTRACT_PREFIXES = ("WECHAT_", "BROADCAST_", "FLOWER_")

# Every process that a test starts inherits it; by it a process that left the family is found.
MARK_NAME = "TESTS_OF_RUN"
GONE_TIMEOUT_S = 60

# Python announces these before it makes a process; tests that make none are not searched.
PROCESS_EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}
# These modules make processes without announcing them.
SILENT_MODULES = ("multiprocessing.popen_spawn_posix", "multiprocessing.popen_forkserver")
# They end with the run: Python's, for programs that share memory, and ours.
HELPERS = ("multiprocessing.resource_tracker", "tests/kit/reaper.py")


class ProcessWatch:
    """Remembers whether this Python may have made a process since the last look."""

    def __init__(self) -> None:
        self.known: set[psutil.Process] = set()
        self._heard = False
        sys.addaudithook(self._hear)

    def made_one(self) -> bool:
        """Answer the question, and start anew."""
        heard, self._heard = self._heard, False
        return heard or any(name in sys.modules for name in SILENT_MODULES)

    def _hear(self, event: str, _arguments: tuple[object, ...]) -> None:
        if event in PROCESS_EVENTS:
            self._heard = True


WATCH: pytest.StashKey[ProcessWatch] = pytest.StashKey()
#: What ran before the run. To look at each after every test that makes a process took half of that.
EARLIER: set[psutil.Process] = set()


def pytest_configure(config: pytest.Config) -> None:
    """Clean the environment of the whole run, session fixtures included."""
    _reset_contract()
    os.environ[MARK_NAME] = f"{os.getpid()}-{uuid.uuid4().hex}"
    # A developer's HTTP proxy must not stand between the tests and their own servers.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    config.stash[WATCH] = ProcessWatch()
    EARLIER.update(psutil.process_iter())
    _end_in_order_on_sigterm()
    # A shell ignores Ctrl-C in what it starts in the background, and children inherit that; the
    # tests that press it start children.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_in_order_on_sigterm() -> None:
    """Let a run that is told to end stop its servers, which have sessions of their own."""
    owner = os.getpid()

    def end(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() != owner:
            # A fork of this process: it has no servers to stop.
            os._exit(128 + signal.SIGTERM)
        # As Ctrl-C does; code that catches every `Exception` does not stop this one.
        raise KeyboardInterrupt("told to end by SIGTERM")

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """No variable of the contract is set before a test, and none that it sets outlives it.

    The one exception is BROADCAST_LANG, which is `en`.
    """
    _reset_contract()
    yield
    _reset_contract()


@pytest.fixture(autouse=True)
def no_process_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Kill every process the test left, and fail the test by naming them."""
    watch = request.config.stash[WATCH]
    if watch.made_one():
        # Made by fixtures of a wider scope, which end what they start.
        watch.known = living()
    yield
    if watch.made_one():
        left = living() - watch.known
        if left:
            pytest.fail(f"{request.node.nodeid} left behind: {_end(left)}", pytrace=False)


def living() -> set[psutil.Process]:
    """Return the living processes of this run.

    Without the servers that outlive a test, which end with the run.
    """
    mark = os.environ[MARK_NAME]
    family = set(psutil.Process().children(recursive=True))
    later = (process for process in psutil.process_iter() if process not in EARLIER)
    strangers = {process for process in later if _mark_of(process) == mark}
    found = (family | strangers) - {psutil.Process()}
    return {process for process in found if _lives(process) and not _is_kept(process)}


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK_NAME)
    except (psutil.Error, OSError):
        # Another user's process, or one that ended: not ours, or not there.
        return None


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_kept(process: psutil.Process) -> bool:
    if process.pid in warm.PIDS:
        return True
    try:
        command = " ".join(process.cmdline())
        if any(name in command for name in HELPERS):
            return True
        return any(p.pid in KEPT_PIDS for p in [process, *process.parents()])
    except psutil.NoSuchProcess:
        return False


def _end(processes: Iterable[psutil.Process]) -> str:
    stories = []
    for process in processes:
        try:
            stories.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(list(processes), timeout=GONE_TIMEOUT_S)
    return "; ".join(stories)


def _reset_contract() -> None:
    for name in list(os.environ):
        if name in CONTRACT_NAMES or name.startswith(CONTRACT_PREFIXES):
            del os.environ[name]
    # Without it the texts that tests look for would follow the developer's locale.
    os.environ["BROADCAST_LANG"] = "en"
