"""A large audience: exact to the last OpenID, in bounded memory."""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import sets_of
from tests.kit.processes import RunningProcess

if TYPE_CHECKING:
    import psutil

    from tests.acceptance.conftest import StartSystem

MB = 1_000_000
MOST_PEAK_BYTES = 200 * MB
MOST_IDLE_BYTES = 120 * MB
DUPLICATES = 500
MALFORMED = ("oTooShort", "o" * 29, "openid with spaces in it....", "oNotASCII-中文-0123456789")
#: Runs a command and tells the peak of its memory, as the kernel counted it for the child.
MEASURED = (
    "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]);"
    "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
    "print(f'peak {peak * (1 if sys.platform == \"darwin\" else 1024)}', file=sys.stderr);"
    "sys.exit(status)"
)


@pytest.mark.parametrize("count", [pytest.param(300_000, marks=pytest.mark.prove), 1_000_000])
def test_everybody_in_a_large_file_gets_it_once_in_bounded_memory(
    start_system: StartSystem, count: int
) -> None:
    system = start_system(followers=count)
    worker = system.worker()
    openids = system.simulator.openids(count)
    file = system.folder / "large.txt"
    write_list(file, openids)

    command = [
        str(Path(sys.executable).parent / "broadcast"),
        "send",
        "--openids",
        str(file),
        "--text",
        "您好",
        "--wait",
        "--json",
    ]
    with RunningProcess(
        [sys.executable, "-c", MEASURED, *command],
        log=system.folder / "send.log",
        env=system.env,
        cwd=system.folder,
    ) as producer:
        status = producer.wait(timeout_s=120)
    printed = producer.output

    assert status == 0, printed
    [told] = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    report = system.report(told["id"])
    assert (
        told["audience"]
        | {
            "read": count + DUPLICATES + len(MALFORMED),
            "malformed": len(MALFORMED),
            "duplicate": DUPLICATES,
            "planned": count,
        }
        == told["audience"]
    )
    assert sets_of(report) == {"accepted": count}
    assert told["batches"]["accepted"] == told["batches"]["total"] == count // 10_000
    delivered = system.simulator.ledger_dump()
    assert set(delivered) == set(openids)
    assert set(delivered.values()) == {1}

    peak = int(re.findall(r"^peak (\d+)$", printed, re.MULTILINE)[-1])
    workers = sum(peak_of(process) for process in worker.family())
    print(f"{count:,}: peak of the producer {peak / MB:.0f} MB, of the worker {workers / MB:.0f}")
    assert peak < MOST_PEAK_BYTES
    assert workers < MOST_PEAK_BYTES


def write_list(file: Path, openids: list[str]) -> None:
    """Write the OpenIDs in no order, some of them twice, among lines that are none."""
    chance = random.Random(7)
    lines = [*openids, *chance.sample(openids, DUPLICATES), *MALFORMED]
    chance.shuffle(lines)
    # The blank line at the end is no line that was read.
    file.write_text("\n".join(lines) + "\n\n", encoding="utf-8")


def peak_of(process: psutil.Process) -> int:
    """The most memory that a process ever had, in bytes."""
    if sys.platform != "linux":
        return process.memory_info().rss
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None, status
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the PSS of a process")
def test_an_idle_worker_with_default_settings_is_small(start_system: StartSystem) -> None:
    system = start_system(followers=10)
    worker = system.worker()
    # Everything that it loads on first use is loaded.
    system.send(system.simulator.openids(10), "--wait")

    family = worker.family()
    pss = sum(process.memory_full_info().pss for process in family)

    print(f"idle worker: {len(family)} processes, {pss / MB:.0f} MB PSS together")
    assert pss <= MOST_IDLE_BYTES
