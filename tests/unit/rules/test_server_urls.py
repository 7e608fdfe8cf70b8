"""URLs of the database, of Redis and of brokers: passwords, options, sockets, several brokers."""

from __future__ import annotations

import pytest
from kombu import Connection
from redis import ConnectionPool, SSLConnection

from broadcast.settings.program_settings import Settings
from tests.unit.rules.test_settings import SECRET, refusal

pytestmark = pytest.mark.usefixtures("clean_environment")

TORN = [
    ("DATABASE_URL", f"postgresql://u:Top@{SECRET}@127.0.0.1:1/x"),
    ("DATABASE_URL", f"mysql://u:Top@{SECRET}@127.0.0.1:1/x"),
    ("DATABASE_URL", f"postgresql://u:12/{SECRET}@h/x"),
    ("DATABASE_URL", f"postgresql://?user=u&password=Top@{SECRET}"),
    ("REDIS_URL", f"redis://:Top@y/{SECRET}@127.0.0.1:6/0"),
    ("REDIS_URL", f"rediss://:Top@{SECRET}@h/0"),
    ("REDIS_URL", f"redis://u:12#{SECRET}@h/0"),
    ("REDIS_URL", f"redis://u:12?{SECRET}@h/0"),
    ("REDIS_URL", f"redis://:Top;{SECRET}@h/0"),
    ("REDIS_URL", f"unix://:Top@/{SECRET}@/run/r.sock"),
    ("CELERY_BROKER_URL", f"redis://:Top@y/{SECRET}@127.0.0.1:6/0"),
    ("CELERY_BROKER_URL", f"amqp://u:Top@{SECRET}@h//"),
    ("CELERY_BROKER_URL", f"amqp://u:p@h//;amqp://u:Top@{SECRET}@h2//"),
    ("WECHAT_API_BASE", f"https://u:Top@{SECRET}@h"),
    ("WECHAT_API_BASE", f"https://u:Top@h/{SECRET}@h"),
]
WHOLE = [
    ("DATABASE_URL", "sqlite:////home/a@b/c@d.db"),
    ("DATABASE_URL", "postgresql://u:a%40b%2Fc;d@h/x"),
    ("DATABASE_URL", "postgresql:///x?host=/run/pg&user=u"),
    ("REDIS_URL", "redis://:a%40b%3Bc@h/0"),
    ("REDIS_URL", "unix:///run/a@b.sock?db=1"),
    ("CELERY_BROKER_URL", "amqp://u:p@h//;amqp://u:p@h2//"),
    ("WECHAT_API_BASE", "https://u:p@h/x"),
]
OPTIONS = [
    ("redis://h/0?socket_timeout=3", "socket_timeout"),
    (f"redis://:{SECRET}@h/0?foo=1&db=2&foo=3", "db, foo"),
    (f"redis://h/0?password={SECRET}", "password"),
    ("redis://h/0?heartbeat=3", "heartbeat"),
    ("redis://h/0?foo", "foo"),
    ("redis://h/0?ssl_cert_reqs=none", "ssl_cert_reqs"),
    ("rediss://h/0?ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs"),
    ("rediss://h/0?ssl_check_hostname=no", "ssl_check_hostname"),
    ("rediss://h/0?ssl_min_version=771", "ssl_min_version"),
    ("rediss://h/0?ssl_keyfile=/k", "ssl_keyfile"),
    ("unix:///run/r.sock?socket_timeout=3", "socket_timeout"),
    ("unix:///run/r.sock?db=two", "db"),
]
TAKEN = [
    "rediss://h/0?ssl_cert_reqs=none",
    "rediss://h/0?ssl_cert_reqs=required&ssl_check_hostname=False&ssl_ca_certs=/a&ssl_ca_path=/b",
    "rediss://h/0?ssl_certfile=/c&ssl_keyfile=/k&ssl_password=p&ssl_ciphers=HIGH&ssl_ca_data=x",
]
AMQP_OPTIONS = [
    (f"amqp://u:{SECRET}@h//?bogus=1&frame_max=9", "bogus, frame_max"),
    (f"amqps://u@h//?password={SECRET}", "password"),
    ("amqps://h//?ssl_cert_reqs=none", "ssl_cert_reqs"),
    ("pyamqp://h//?connect_timeout=3", "connect_timeout"),
    ("amqp://h//?heartbeat=soon", "heartbeat"),
    ("amqp://h//?heartbeat=65536", "heartbeat"),
    ("amqp://h//?login_method=plain", "login_method"),
    ("amqp://h//;amqp://h2//?bogus=1", "bogus"),
]
AMQP_TAKEN = [
    "amqp://u:p@h/v?heartbeat=3",
    "amqps://h//?heartbeat=0&login_method=EXTERNAL",
    "amqp://h//;amqp://h2//?login_method=PLAIN",
]
SOCKETS = [
    ("unix:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=0"),
    (
        "unix:///run/r.sock?db=2&password=p%40%2B",
        "redis+socket://:p%40%2B@/run/r.sock?virtual_host=2",
    ),
    ("unix:///r%20s?username=u&password=a+b", "redis+socket://u:a%20b@/r%20s?virtual_host=0"),
    ("unix://u:p@/r?password=q&db=3", "redis+socket://u:p@/r?virtual_host=3"),
]


@pytest.mark.parametrize(("name", "url"), TORN)
def test_a_password_whose_at_sign_is_not_escaped_is_refused_and_not_shown(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)

    error = refusal()

    assert error.message_id == "error.settings.login"
    assert error.facts == {"name": name}


@pytest.mark.parametrize(("name", "url"), WHOLE)
def test_an_at_sign_that_can_be_read_in_one_way_is_let_through(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)

    Settings.load()


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize(("url", "options"), OPTIONS)
def test_an_option_that_redis_and_celery_do_not_both_take_is_named(
    name: str, url: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)

    error = refusal()

    assert error.facts == {"name": name, "options": options}
    assert error.message_id == "error.settings.option"


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize("url", TAKEN)
def test_an_option_that_both_take_is_let_through(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)

    assert Settings.load().celery_broker_url == url
    assert isinstance(ConnectionPool.from_url(url).make_connection(), SSLConnection)
    assert Connection(url).ssl


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize(("ours", "celerys"), SOCKETS)
def test_a_socket_is_told_to_celery_in_its_own_words(
    name: str, ours: str, celerys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, ours)

    assert Settings.load().celery_broker_url == celerys


def test_each_of_several_brokers_is_told_in_celerys_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "unix:///a?db=2;redis://b:6379/1;unix:///c")
    told = "redis+socket:///a?virtual_host=2;redis://b:6379/1;redis+socket:///c?virtual_host=0"
    assert Settings.load().celery_broker_url == told


@pytest.mark.parametrize("url", ["redis+socket:///run/r.sock?virtual_host=2", "redis+socket:///r"])
def test_a_socket_in_celerys_words_is_left_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)

    assert Settings.load().celery_broker_url == url


@pytest.mark.parametrize(("url", "options"), AMQP_OPTIONS)
def test_an_option_that_celery_does_not_take_for_rabbitmq_is_named(
    url: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)

    error = refusal()

    assert error.facts == {"name": "CELERY_BROKER_URL", "options": options}
    assert error.message_id == "error.settings.amqp_option"
    assert error.exit_status == 2


@pytest.mark.parametrize("url", AMQP_TAKEN)
def test_an_option_that_celery_takes_for_rabbitmq_is_let_through(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", url)

    with Connection(Settings.load().celery_broker_url) as celery:
        assert celery.info()["hostname"] == "h"
        celery.switch(url.rpartition(";")[2])
