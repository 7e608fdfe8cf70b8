"""The guards around the tests: a clean environment, no process left, no silent skip."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.kit.processes import python_module
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.servers.fixtures import Launch

pytest_plugins = ("pytester",)
ROOT = Path(__file__).resolve().parents[2]
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(autouse=True)
def guarded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scratch test folder under the same guards as ours."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CI", raising=False)
    pytester.makeconftest(
        "pytest_plugins = ('tests.servers.guards', 'tests.servers.proofs')",
    )


def _run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:valkey", *options)


def test_process_left_behind_fails_its_test_and_is_killed(pytester: pytest.Pytester) -> None:
    """Also when it left the family: its parent is gone and it has a session of its own."""
    pytester.makepyfile(
        f"""
        import subprocess, sys

        ORPHAN = "import subprocess; p = subprocess.Popen({SLEEP!r}, start_new_session=True)"

        def test_leaves_an_orphan():
            script = ORPHAN + "; open('pid', 'w').write(str(p.pid)); import os; os._exit(0)"
            subprocess.run([sys.executable, "-c", script], check=True)

        def test_is_innocent():
            assert True
        """
    )

    result = _run(pytester)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*::test_leaves_an_orphan left behind: *time.sleep(600)*"])
    pid = int((pytester.path / "pid").read_text())
    until(lambda: _is_gone(pid), 5, "the orphan to be gone")


def test_process_of_a_wider_fixture_is_spared(pytester: pytest.Pytester) -> None:
    """A module's server lives on to the module's end."""
    pytester.makepyfile(
        f"""
        import subprocess, pytest

        @pytest.fixture(scope="module")
        def server():
            process = subprocess.Popen({SLEEP!r})
            yield process
            assert process.poll() is None
            process.kill()
            process.wait()

        def test_first(server):
            subprocess.run(["true"], check=True)

        def test_second(server):
            subprocess.run(["true"], check=True)
            assert server.poll() is None
        """
    )

    _run(pytester).assert_outcomes(passed=2)


def test_variables_of_the_contract_reach_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from the developer's shell nor from the test before."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:////precious")
    pytester.makepyfile(
        """
        import os

        NAMES = ("DATABASE_URL", "WECHAT_APPSECRET", "REDIS_URL", "FLOWER_BASIC_AUTH")

        def test_sets():
            assert not any(name in os.environ for name in NAMES)
            os.environ.update(dict.fromkeys(NAMES, "leak"))

        def test_sees_none():
            assert not any(name in os.environ for name in NAMES)
            assert os.environ["BROADCAST_LANG"] == "en"
        """
    )

    _run(pytester).assert_outcomes(passed=2)


@pytest.mark.prove
def test_killed_run_leaves_no_server(pytester: pytest.Pytester, launch: Launch) -> None:
    """Kill -9 of pytest itself: its servers and their folders go as well."""
    pytester.makepyfile(
        """
        import os, signal
        from tests.servers.postgresql import PostgreSQL
        from tests.servers.valkey import Valkey

        def test_dies():
            with Valkey() as valkey, PostgreSQL() as postgresql:
                print()
                print("pids", valkey.process.pid, postgresql.pid)
                print("folders", valkey.folder, postgresql.folder, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    run = launch(
        python_module("pytest", "-s", "-p", "no:valkey", str(pytester.path)),
        env={"PYTHONPATH": str(ROOT)},
    )
    run.wait_for_line("folders")
    words = {line.split()[0]: line.split()[1:] for line in run.output.splitlines() if line}

    assert run.wait() == -signal.SIGKILL

    pids, folders = [*map(int, words["pids"])], [*map(Path, words["folders"])]
    until(lambda: all(map(_is_gone, pids)), 10, "the servers to be gone")
    until(lambda: not any(folder.exists() for folder in folders), 10, "the folders to be gone")


@pytest.mark.parametrize(
    "workers",
    [
        pytest.param([], id="one-process"),
        pytest.param(["-n", "2"], id="xdist", marks=pytest.mark.prove),
    ],
)
def test_last_line_names_what_was_not_proved(
    workers: list[str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person reads it; under CI=true, where nobody reads, the run fails."""
    pytester.makepyfile(
        """
        from tests.servers.proofs import not_proved

        def test_needs_it():
            not_proved("RabbitMQ", "no rabbitmq-server on this machine")

        def test_passes():
            pass
        """
    )
    last = "NOT PROVED HERE: RabbitMQ (no rabbitmq-server on this machine), 1 test skipped"

    result = _run(pytester, *workers)
    assert result.outlines[-1] == last
    assert result.ret == pytest.ExitCode.OK

    monkeypatch.setenv("CI", "true")
    result = _run(pytester, *workers)
    assert result.outlines[-1] == last
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
