"""Which wheels each supported platform and Python takes, and what is missing in requirements/*.txt.

A pin whose package has no wheel for Python 3.14 on an Intel Mac, or whose hashes were taken before
that wheel was uploaded, fails on such a machine and on no other: nobody here would notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from packaging.markers import Environment, default_environment
from packaging.pylock import PackageWheel, Pylock, PylockSelectError
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
#: From the glibc of Debian 10 and RHEL 8 down to the oldest that wheels are made for.
GLIBC_MINORS = range(28, 16, -1)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A kind of machine, in the words that markers use."""

    sys_platform: str
    platform_system: str
    platform_machine: str
    #: The wheels' platform tags that it takes, best first.
    tags: tuple[str, ...]


def _linux(machine: str) -> Machine:
    many = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
    return Machine(
        sys_platform="linux",
        platform_system="Linux",
        platform_machine=machine,
        tags=(*many, f"manylinux2014_{machine}", f"linux_{machine}"),
    )


def _mac(machine: str) -> Machine:
    # macOS 11 is the first on both kinds of Mac.
    return Machine(
        sys_platform="darwin",
        platform_system="Darwin",
        platform_machine=machine,
        tags=tuple(mac_platforms((11, 0), machine)),
    )


MACHINES = (_linux("x86_64"), _linux("aarch64"), _mac("x86_64"), _mac("arm64"))


def missing(lock: Pylock, requirements: str) -> Iterator[str]:
    """Yield a line for each package that cannot be installed somewhere from *requirements*.

    *lock* has every file of every pinned package; *requirements* is the text that pip reads.
    """
    hashes = set(_HASH.findall(requirements))
    for machine in MACHINES:
        for python in PYTHONS:
            where = (
                f"{machine.sys_platform} {machine.platform_machine}, Python {python[0]}.{python[1]}"
            )
            try:
                chosen = list(
                    lock.select(environment=_markers(machine, python), tags=_tags(machine, python))
                )
            except PylockSelectError as error:
                yield f"{where}: {error}"
                continue
            for package, file in chosen:
                if not isinstance(file, PackageWheel):
                    yield f"{where}: {package.name} {package.version} has no wheel"
                elif file.hashes["sha256"] not in hashes:
                    yield f"{where}: the hash of {file.filename} is not in the file"


def _markers(machine: Machine, python: tuple[int, int]) -> Environment:
    version = f"{python[0]}.{python[1]}"
    return Environment(
        {
            **default_environment(),
            "python_version": version,
            "python_full_version": f"{version}.0",
            "implementation_version": f"{version}.0",
            "os_name": "posix",
            "sys_platform": machine.sys_platform,
            "platform_system": machine.platform_system,
            "platform_machine": machine.platform_machine,
        }
    )


def _tags(machine: Machine, python: tuple[int, int]) -> list[Tag]:
    interpreter = f"cp{python[0]}{python[1]}"
    return list(
        chain(
            cpython_tags(python, abis=[interpreter], platforms=machine.tags),
            compatible_tags(python, interpreter=interpreter, platforms=machine.tags),
        )
    )
