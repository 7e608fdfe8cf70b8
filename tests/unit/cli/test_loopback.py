"""What keeps an HTTP proxy of the environment out of the loopback."""

from __future__ import annotations

import pytest
from requests.utils import should_bypass_proxies

from entrypoints.cli.embedded.supervisor import beside_proxies

URL = "http://127.0.0.1:8765/admin/faults"


@pytest.mark.parametrize(
    ("environ", "both"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": "example.org, .local"}, "example.org,.local,127.0.0.1,localhost"),
        ({"NO_PROXY": "example.org"}, "example.org,127.0.0.1,localhost"),
        ({"NO_PROXY": "localhost"}, "localhost,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_the_loopback_is_added_to_what_is_there(environ: dict[str, str], both: str) -> None:
    assert beside_proxies(environ) == {"no_proxy": both, "NO_PROXY": both}


def test_each_spelling_keeps_its_own_hosts() -> None:
    added = beside_proxies({"no_proxy": "one.example", "NO_PROXY": "two.example"})

    assert added["no_proxy"] == "one.example,127.0.0.1,localhost"
    assert added["NO_PROXY"] == "two.example,127.0.0.1,localhost"


@pytest.mark.parametrize("named", [None, "example.org", "*"])
def test_requests_then_asks_no_proxy_for_the_loopback(
    monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    environ = {} if named is None else {"NO_PROXY": named}
    before = should_bypass_proxies(URL, no_proxy=None)

    for name, value in beside_proxies(environ).items():
        monkeypatch.setenv(name, value)

    assert (before, should_bypass_proxies(URL, no_proxy=None)) == (False, True)
