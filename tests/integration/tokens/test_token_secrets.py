"""No token leaves the service but inside a SecretStr: driven through every kind of failure."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from broadcast.tokens.redis_access import connect
from broadcast.tokens.token_service import FetchedToken, TokenService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broadcast.tokens.redis_access import Connection
    from tests.servers.valkey import Valkey

ACCOUNT = "wx0123456789abcdef"
SECRET = "81_Zk" + "q7" * 40


class Vault:
    """Gives the one token, after something has happened."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None

    def fetch(self, account: str, *, force: bool) -> FetchedToken:
        self.meanwhile()
        return FetchedToken(value=SecretStr(SECRET), expires_in=7200)


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def service(connection: Connection, vault: Vault) -> TokenService:
    return TokenService(connection, vault)


@pytest.fixture(autouse=True)
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every logger of every library, at DEBUG."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert SECRET not in caplog.text


def story_of(call: Callable[[], object]) -> str:
    """Return the failure as an error reporter would store it: with the locals of every frame."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not tell
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        chain: BaseException | None = error
        parts = ["".join(told.format(chain=True))]
        while chain is not None:
            parts += [repr(chain), str(chain), repr(chain.args), repr(vars(chain))]
            chain = chain.__cause__ or chain.__context__
        return "\n".join(parts)
    pytest.fail("the call did not fail")


def test_the_search_finds_a_secret_that_is_there() -> None:
    def leak() -> None:
        value = SECRET
        raise ValueError(len(value))

    assert SECRET in story_of(leak)


def test_write_to_a_redis_that_died(service: TokenService, vault: Vault, valkey: Valkey) -> None:
    vault.meanwhile = valkey.kill
    assert SECRET not in story_of(lambda: service.get(ACCOUNT))


def test_write_to_a_redis_that_froze(service: TokenService, vault: Vault, valkey: Valkey) -> None:
    vault.meanwhile = valkey.freeze
    assert SECRET not in story_of(lambda: service.get(ACCOUNT))


@pytest.mark.parametrize("knows_the_script", [True, False])
def test_write_to_a_redis_that_is_full(
    service: TokenService, vault: Vault, connection: Connection, *, knows_the_script: bool
) -> None:
    """A script that Redis does not know yet fails inside redis-py's own handler."""
    connection.script_flush()
    if knows_the_script:
        service.get(ACCOUNT)
        connection.flushall()
    vault.meanwhile = lambda: connection.config_set("maxmemory", "1")
    try:
        story = story_of(lambda: service.get(ACCOUNT))
    finally:
        connection.config_set("maxmemory", "0")
    assert "OutOfMemoryError" in story
    assert SECRET not in story


def test_login_that_redis_refuses(valkey: Valkey) -> None:
    url = SecretStr(valkey.url.replace("redis://", f"redis://nobody:{SECRET}@"))
    with connect(url) as redis:
        story = story_of(redis.ping)
    assert "RedisAwayError" in story
    assert SECRET not in story


def test_refused_token(service: TokenService) -> None:
    failed = service.get(ACCOUNT)
    assert SECRET not in story_of(lambda: service.replace(ACCOUNT, failed))
    assert SECRET not in story_of(lambda: service.replace(ACCOUNT, failed))


def test_values_that_carry_it_do_not_show_it(service: TokenService) -> None:
    shown = repr((service.get(ACCOUNT), service.peek(ACCOUNT), vars(service)))
    assert SECRET not in shown


def test_no_key_of_redis_holds_it(service: TokenService, connection: Connection) -> None:
    failed = service.get(ACCOUNT)
    story_of(lambda: service.replace(ACCOUNT, failed))
    keys = [bytes(key).decode() for key in connection.scan_iter("*")]
    assert any(key.endswith(":token") for key in keys)
    assert SECRET not in " ".join(keys)
