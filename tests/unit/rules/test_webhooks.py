"""Webhooks: which addresses may be told, how an event is signed, and when it is tried."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from broadcast.errors import SettingsError
from broadcast.rules import webhooks
from broadcast.rules.calls.waits import Waits
from broadcast.rules.webhooks import (
    PAUSES,
    TRIED_FOR,
    is_allowed,
    is_public,
    next_try,
    parse_networks,
)
from broadcast.settings.program_settings import Settings
from tests.kit.receiver import OLDER_SECRET, SECRET

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.8",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "fc00::1",
        "ff02::1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
    ],
)
def test_an_address_that_leads_inside_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_a_network_is_allowed_by_name_also_where_ipv6_wraps_it() -> None:
    networks = parse_networks("10.0.3.0/24, 127.0.0.1")

    assert is_allowed(ipaddress.ip_address("::ffff:10.0.3.7"), networks)
    assert is_allowed(ipaddress.ip_address("127.0.0.1"), networks)
    assert not is_allowed(ipaddress.ip_address("127.0.0.2"), networks)
    with pytest.raises(ValueError, match="host bits"):
        parse_networks("10.0.3.7/24")


@pytest.mark.parametrize(
    "good",
    [
        "https://example.com",
        "https://example.com/",
        "https://Example.com:8443/a/b?c=d&e=f@g",
        "https://8.8.8.8/hook",
        "https://[2001:4860:4860::8888]:443/hook",
        "https://a_b.example/x",
    ],
)
def test_a_public_https_url_is_taken(good: str) -> None:
    assert webhooks.problem_of(good) is None


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "form"),
        ("example.com", "form"),
        ("ftp://example.com/", "form"),
        ("https://", "form"),
        ("https:///path", "form"),
        ("https://exa mple.com/", "form"),
        ("https://example.com:0/", "form"),
        ("https://example.com:65536/", "form"),
        ("https://example.com:port/", "form"),
        ("https://example.com/#x", "form"),
        ("https://example.com\\@10.0.0.1/", "login"),
        ("https://example.com/\\x", "form"),
        ("https://例子.com/", "form"),
        ("https://example.com/路径", "form"),
        ("https://example.com/\r\nHost: x", "form"),
        ("https://example.com/\n", "form"),
        ("https://%31%32%37.0.0.1/", "form"),
        ("https://[::1", "form"),
        ("https://[1::2::3]/", "form"),
        ("https://[fe80::1%25eth0]/", "form"),
        ("https://2130706433/", "form"),
        ("https://0x7f000001/", "form"),
        ("https://0x7f.1/", "form"),
        ("https://127.1/", "form"),
        ("https://017700000001/", "form"),
        ("https://0177.0.0.1/", "form"),
        ("https://127.0.0.1.5/", "form"),
        ("https://1.2.3.999/", "form"),
        ("https://user:secret@example.com/", "login"),
        ("https://user@example.com/", "login"),
        ("https://example.com@10.0.0.1/", "login"),
        ("https://localhost/", "private"),
        ("https://LOCALHOST./", "private"),
        ("https://a.localhost/", "private"),
        ("https://127.0.0.1/", "private"),
        ("https://127.0.0.1./", "private"),
        ("https://0.0.0.0/", "private"),
        ("https://10.1.2.3:8443/hook", "private"),
        ("https://169.254.169.254/latest", "private"),
        ("https://[::1]/", "private"),
        ("https://[::ffff:127.0.0.1]/", "private"),
        ("https://[::ffff:7f00:1]/", "private"),
        ("https://[fe80::1]/", "private"),
        ("http://10.0.0.1/", "private"),
        ("http://example.com/", "https"),
        ("http://8.8.8.8/", "https"),
    ],
)
def test_another_url_is_refused_with_its_reason(bad: str, why: str) -> None:
    problem = webhooks.problem_of(bad)

    assert problem is not None
    assert problem.id == f"webhook.url.{why}"


def test_a_url_that_is_too_long_is_refused() -> None:
    problem = webhooks.problem_of(f"https://example.com/{'a' * 2048}")

    assert problem is not None
    assert problem.id == "request.reason.too_long"


def test_what_the_settings_allow_may_be_private_and_plain() -> None:
    allowed = parse_networks("127.0.0.0/8 10.0.3.0/24")

    for good in (
        "http://127.0.0.1:8080/x",
        "http://localhost/",
        "https://10.0.3.9/",
        "http://hook/",
    ):
        assert webhooks.problem_of(good, allowed) is None, good
    # A public address is never told in the clear, nor another network.
    for bad in ("http://8.8.8.8/", "http://10.0.4.9/", "https://10.0.4.9/"):
        assert webhooks.problem_of(bad, allowed) is not None, bad


def test_a_url_is_shown_without_what_may_be_a_secret() -> None:
    assert webhooks.shown_url("https://example.com/hook?token=abc") == "https://example.com/hook?…"
    assert webhooks.origin("https://Example.com:8443/hook?token=abc") == "https://example.com:8443"


def test_the_library_of_the_specification_verifies_each_of_several_secrets() -> None:
    body = b'{"type":"broadcast.completed"}'
    secrets = webhooks.parse_secrets(f"{SECRET}\n{OLDER_SECRET}, ")
    signed = webhooks.signed_headers(
        "20261127-abcdef-7", body, at=datetime.now(UTC), secrets=secrets
    )

    for secret in (SECRET, OLDER_SECRET):
        Webhook(secret).verify(body, dict(signed))
    with pytest.raises(Exception, match="No matching signature"):
        Webhook("whsec_" + "A" * 32).verify(body, dict(signed))
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(body + b" ", dict(signed))
    assert signed["webhook-signature"].count("v1,") == 2


def test_the_bytes_are_those_of_the_specification() -> None:
    """Its own example."""
    signed = webhooks.signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        at=datetime.fromtimestamp(1614265330, UTC),
        secrets=[SecretStr(SECRET)],
    )

    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "wrong", ["secret", "whsec_", "whsec_c2hvcnQ=", f"{SECRET},x", "whsec_" + "A" * 120]
)
def test_a_wrong_secret_is_refused_and_not_shown(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_WEBHOOK_SECRETS", wrong)

    with pytest.raises(SettingsError) as error:
        Settings.load()

    assert error.value.message_id == "error.settings.BROADCAST_WEBHOOK_SECRETS"
    assert wrong not in str(error.value)


def test_an_event_is_tried_at_growing_pauses_for_a_day_and_once_at_its_end() -> None:
    moment, tries, pauses = NOW, 0, []
    while True:
        tries += 1
        then = next_try(tries, now=moment, since=NOW, waits=Waits())
        if then is None:
            break
        pauses.append(then - moment)
        moment = then

    assert tuple(pauses[: len(PAUSES)]) == PAUSES
    assert moment - NOW == TRIED_FOR
    assert tries == 14


def test_pauses_and_day_shrink_alike() -> None:
    waits = Waits(0.001)

    assert next_try(1, now=NOW, since=NOW, waits=waits) == NOW + timedelta(milliseconds=5)
    assert next_try(9, now=NOW + timedelta(seconds=87), since=NOW, waits=waits) is None
