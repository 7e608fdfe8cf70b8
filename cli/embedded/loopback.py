"""The loopback is reached directly, whatever HTTP proxy the environment names."""

from __future__ import annotations

from collections.abc import Mapping

HOSTS = ("127.0.0.1", "localhost")
#: Libraries disagree about which of the two spellings wins, so both are set.
_NAMES = ("no_proxy", "NO_PROXY")


def beside_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep a proxy out of the loopback, added to those of *environ*.

    A proxy that somebody set for the world cannot reach a server of this machine, and what it
    answers instead looks like a fault of that server.
    """
    found = [environ.get(name, "") for name in _NAMES]
    # Where only one spelling is set, the other must not hide it.
    either = found[0] or found[1]
    return {name: _with_hosts(own or either) for name, own in zip(_NAMES, found, strict=True)}


def _with_hosts(named: str) -> str:
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    if "*" in hosts:
        # It stands for every host, but only where it stands alone.
        return "*"
    return ",".join([*hosts, *(host for host in HOSTS if host not in hosts)])
