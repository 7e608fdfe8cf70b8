"""A worker or a Flower that must not start says why, and one that may starts as it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import template
from tests.kit.processes import ROOT
from tests.kit.receiver import SECRET


def test_flower_does_not_start_without_a_login(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "flower", "--port=0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"PATH": "/usr/bin:/bin", "BROADCAST_LANG": "en", "PYTHONPATH": str(ROOT)},
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Without a login, Flower shows every task")


@pytest.mark.parametrize(("pool", "named"), [("processes", "prefork"), ("solo", "solo")])
def test_a_worker_in_another_pool_does_not_start(tmp_path: Path, pool: str, named: str) -> None:
    """Its lanes would not hear of a stop."""
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker", "-P", pool],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"PATH": "/usr/bin:/bin", "BROADCAST_LANG": "en", "PYTHONPATH": str(ROOT)},
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"The worker runs in threads, not in {named}")


def with_files(limit: str, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that may open so many files, as the options of `ulimit` say."""
    return subprocess.run(
        ["sh", "-c", f'ulimit {limit} && exec "$@"', "sh", sys.executable, *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={"PATH": "/usr/bin:/bin", "BROADCAST_LANG": "en", "PYTHONPATH": str(ROOT)},
    )


def test_a_worker_that_may_open_too_few_files_does_not_start(tmp_path: Path) -> None:
    """It would say that it is ready, and take no message."""
    done = with_files("-n 24", "-m", "celery", "-A", "worker", "worker", cwd=tmp_path)

    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("This process may open 24 files")
    assert "ready" not in done.stderr


def test_a_worker_raises_its_own_limit_as_far_as_it_needs(tmp_path: Path) -> None:
    program = (
        "import resource; from worker import celery_parts; celery_parts.allow_descriptors(64);"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == celery_parts.needed(64) > 64 * 2)"
    )

    assert with_files("-S -n 32", "-c", program, cwd=tmp_path).stdout == "True\n"


def test_a_worker_shows_no_part_of_a_password_that_ends_at_another_at_sign(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "BROADCAST_LANG": "en",
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": "redis://:Top@y/SecretHalf@127.0.0.1:6/0",
        },
    )

    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("REDIS_URL cannot be read")
    assert "Top" not in line
    assert "SecretHalf" not in line


@pytest.mark.parametrize(
    ("settings", "content", "says"),
    [
        # Each webhook would be tried until it is given up.
        ({}, "", "BROADCAST_WEBHOOK_SECRETS_FILE="),
        ({"BROADCAST_WEBHOOK_SECRETS": SECRET}, SECRET, "BROADCAST_WEBHOOK_SECRETS and BROADCAST_"),
        ({"BROADCAST_NOTIFY": "https://bot.example/x"}, SECRET, "BROADCAST_NOTIFY and BROADCAST_"),
    ],
)
def test_a_worker_does_not_start_with_an_empty_file_of_secrets_or_with_two_places_for_them(
    tmp_path: Path, settings: dict[str, str], content: str, says: str
) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    (tmp_path / "secrets").write_text(content, "ascii")
    (tmp_path / "addresses").write_text("# None so far.\n", "ascii")
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "BROADCAST_LANG": "en",
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "BROADCAST_WEBHOOK_SECRETS_FILE": str(tmp_path / "secrets"),
            "BROADCAST_NOTIFY_FILE": str(tmp_path / "addresses"),
            **settings,
        },
    )

    assert done.returncode == 2
    [*_, line] = done.stderr.splitlines()
    assert line.startswith(says)
