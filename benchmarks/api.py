"""Submits that `broadcast api` answers, against an app of the same framework that inserts the rows.

Both in turn, in pairs: how long one submit of 10,000 OpenIDs takes, and how long 99 of 100 small
ones take at most when 50 come in a second. And how long an upload of a million OpenIDs takes
against `broadcast send` of the same file. Prints ratios.
Usage: python -m benchmarks.api [--database sqlite|postgresql|mariadb] [--rounds N]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.__main__ import SERVERS, database
from benchmarks.bare import serving
from tests.kit import api, commands, template
from tests.kit.api import Program

NUMBERS = itertools.count()
LARGE = 10_000
A_SECOND = 50
MILLION = 1_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", *SERVERS), default="sqlite")
    parser.add_argument("--rounds", type=int, default=20)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, database(wanted.database) as given:
        folder = Path(name)
        url = given or f"sqlite:///{folder / 'broadcast.db'}"
        template.migrated(url).dispose()
        with (
            api.started(folder, api.settings(url)) as process,
            serving("benchmarks.bare_api", folder, url) as bare,
        ):
            apps = [Program(url=one, checks=False) for one in (bare, api.url_of(process))]
            for app in apps:
                _took(app, 2)
            large = [[_took(app, LARGE) for app in apps] for _ in range(wanted.rounds)]
            small = [_p99(app) for app in apps]
            upload = _uploaded(folder, apps[1])
        sent = _sent(folder, api.settings(url))
    ratio = statistics.median(ours / bare for bare, ours in large)
    medians = [statistics.median(one) * 1000 for one in zip(*large, strict=True)]
    where = f"api/{wanted.database}"
    print(
        f"{where}: 10,000 OpenIDs: bare {medians[0]:.0f} ms, ours {medians[1]:.0f} ms,"
        f" median ratio {ratio:.2f}"
    )
    print(
        f"{where}: 50 a second: p99 bare {small[0] * 1000:.0f} ms, ours {small[1] * 1000:.0f} ms,"
        f" ratio {small[1] / small[0]:.2f}"
    )
    print(
        f"{where}: a million: send {sent:.1f} s, upload {upload:.1f} s, ratio {upload / sent:.2f}"
    )


def _took(app: Program, size: int) -> float:
    n = next(NUMBERS)
    people = api.people(size, seed=f"{n}")
    begun = time.monotonic()
    told = app.submit(people, key=f"benchmark {n}")
    assert told.status_code == 201, told.text
    return time.monotonic() - begun


def _p99(app: Program, seconds: int = 6) -> float:
    """Return how long 99 of 100 small submits take at most, at a steady pace."""

    def one(n: int) -> float:
        time.sleep(max(0.0, begun + n / A_SECOND - time.monotonic()))
        return _took(Program(url=app.url, checks=False), 2)

    begun = time.monotonic() + 0.2
    with ThreadPoolExecutor(A_SECOND) as pool:
        took = sorted(pool.map(one, range(seconds * A_SECOND)))
    return took[int(len(took) * 0.99) - 1]


def _uploaded(folder: Path, app: Program) -> float:
    file = folder / "million.txt"
    file.write_text("".join(f"oMillion{n:020}\n" for n in range(MILLION)))
    reserved = app.ask(
        "POST",
        "/v1/broadcasts",
        {"content": api.TEXT, "audience": {"upload": True}},
        headers={"Idempotency-Key": "million"},
    ).json()
    begun = time.monotonic()
    with file.open("rb") as data:
        told = app.ask(
            "PUT",
            f"/v1/broadcasts/{reserved['id']}/audience",
            data=data,
            headers={"Content-Type": "text/plain"},
        )
    assert told.status_code == 201, told.text
    return time.monotonic() - begun


def _sent(folder: Path, env: dict[str, str | None]) -> float:
    begun = time.monotonic()
    done = commands.run(
        ["send", "--openids", str(folder / "million.txt"), "--text", "another", "--key", "sent"],
        folder=folder,
        environment={name: value for name, value in env.items() if value},
    )
    assert done.returncode == 0, done.stderr.decode()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
