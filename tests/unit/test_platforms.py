"""tools/platforms.py finds what cannot be installed on a machine that nobody here has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from packaging.pylock import Pylock

from tools.platforms import MACHINES, PYTHONS, missing

KNOWN, UNKNOWN = "a" * 64, "b" * 64
REQUIREMENTS = f"thing==1.0 \\\n    --hash=sha256:{KNOWN}\n"
ANYWHERE = "thing-1.0-py3-none-any.whl"
LINUX = "thing-1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def lock(wheels: Sequence[str], *, digest: str = KNOWN, **more: Any) -> Pylock:
    """A lock of one package with these wheels, all of one hash."""
    files = [
        {"name": name, "url": f"file:///{name}", "hashes": {"sha256": digest}} for name in wheels
    ]
    return Pylock.from_dict(
        {
            "lock-version": "1.0",
            "created-by": "a test",
            "packages": [{"name": "thing", "version": "1.0", "wheels": files, **more}],
        }
    )


def source() -> dict[str, Any]:
    """A source distribution, as a lock has it."""
    name = "thing-1.0.tar.gz"
    return {"name": name, "url": f"file:///{name}", "hashes": {"sha256": KNOWN}}


def test_a_wheel_for_all_machines_is_enough() -> None:
    assert [*missing(lock([ANYWHERE]), REQUIREMENTS)] == []


def test_every_machine_without_a_wheel_is_told() -> None:
    told = [*missing(lock([LINUX]), REQUIREMENTS)]

    assert len(told) == (len(MACHINES) - 1) * len(PYTHONS)
    assert not any(line.startswith("linux x86_64") for line in told)
    assert any(line.startswith("darwin arm64, Python 3.14") for line in told)


def test_a_wheel_of_one_python_does_not_serve_the_next() -> None:
    told = [*missing(lock(["thing-1.0-cp313-cp313-macosx_11_0_arm64.whl"]), REQUIREMENTS)]

    here = [line.partition(":")[0] for line in told if line.startswith("darwin arm64")]
    assert here == [f"darwin arm64, Python 3.{minor}" for minor in (11, 12, 14)]


def test_a_source_distribution_is_no_wheel() -> None:
    told = [*missing(lock([LINUX], sdist=source()), REQUIREMENTS)]

    assert "linux aarch64, Python 3.11: thing 1.0 has no wheel" in told
    assert not any(line.startswith("linux x86_64") for line in told)


def test_a_hash_that_the_file_does_not_have_is_told() -> None:
    told = [*missing(lock([ANYWHERE], digest=UNKNOWN), REQUIREMENTS)]

    assert len(told) == len(MACHINES) * len(PYTHONS)
    assert all(line.endswith(f"the hash of {ANYWHERE} is not in the file") for line in told)


def test_a_package_is_looked_at_only_where_its_marker_holds() -> None:
    one = lock([LINUX], marker="sys_platform == 'linux' and platform_machine == 'x86_64'")

    assert [*missing(one, REQUIREMENTS)] == []
