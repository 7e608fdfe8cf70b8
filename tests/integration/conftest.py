"""An engine on real databases for the tests of all rooms that need a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine, QueuePool

from models.engine import open_engine
from models.every_table import Base
from tests.integration.models.still_clock import NOON, StillClock
from tests.kit import ledger, template
from tests.kit.command_line import CommandLine
from tests.kit.ledger import Driver, said
from tests.servers.fixtures import DATABASES
from tests.servers.mariadb import MariaDB
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def kept_engines() -> Iterator[dict[str, Engine]]:
    """The engines, on databases with tables, that the tests of this process share, by server.

    Tables are emptied and not made anew: on MariaDB making them takes longer than most tests. And
    an engine compiles each statement once, which takes longer than running it.
    """
    kept: dict[str, Engine] = {}
    yield kept
    for engine in kept.values():
        engine.dispose()


@pytest.fixture(params=DATABASES)
def engine(
    request: pytest.FixtureRequest,
    kept_engines: dict[str, Engine],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engine]:
    """An engine on a database with empty tables; the test runs once on each server."""
    server: PostgreSQL | MariaDB | None = (
        None if request.param == "sqlite" else request.getfixturevalue(request.param)
    )
    if request.param not in kept_engines:
        folder = tmp_path_factory.mktemp("kept")
        url = server.fresh_database() if server else f"sqlite:///{folder / 'broadcast.sqlite'}"
        kept_engines[request.param] = open_engine(url, pool_size=10)
        Base.metadata.create_all(kept_engines[request.param])
    engine = kept_engines[request.param]
    ledger.empty(engine)
    yield engine
    _leave(engine)


@pytest.fixture(scope="session")
def kept_stills() -> Iterator[dict[str, tuple[Engine, StillClock]]]:
    """What `still` gives, on the databases of `kept_engines`, by dialect."""
    kept: dict[str, tuple[Engine, StillClock]] = {}
    yield kept
    for engine, _ in kept.values():
        engine.dispose()


@pytest.fixture
def still(
    url: str, engine: Engine, kept_stills: dict[str, tuple[Engine, StillClock]]
) -> Iterator[tuple[Engine, StillClock]]:
    """An engine whose clock stands still at noon in Shanghai: no test runs over a day's turn."""
    name = engine.dialect.name
    if name not in kept_stills:
        fresh = open_engine(url)
        kept_stills[name] = fresh, StillClock(fresh)
    stilled, clock = kept_stills[name]
    clock.now = NOON
    yield stilled, clock
    _leave(stilled)


def _leave(engine: Engine) -> None:
    """Leave nothing of a test open.

    What was compiled stays, and so does a connection to a server that was given back: to make one
    costs the server more than most tests do.
    """
    if engine.dialect.name == "sqlite" or cast("QueuePool", engine.pool).checkedout():
        engine.dispose()


@pytest.fixture
def url(engine: Engine) -> str:
    """URL of a database with empty tables."""
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """The ledger that the commands find."""
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("BROADCAST_LANG", "en")
    monkeypatch.setenv("WECHAT_APPID", ledger.account().appid)
    monkeypatch.setenv("WECHAT_APPSECRET", "appsecret-of-the-tests")
    nobody = f"{LOOPBACK}:{free_port()}"
    monkeypatch.setenv("REDIS_URL", f"redis://{nobody}/0")
    monkeypatch.setenv("WECHAT_API_BASE", f"http://{nobody}")
    monkeypatch.chdir(tmp_path)
    engine = template.migrated(url)
    yield engine
    engine.dispose()


@pytest.fixture
def doubtful(here: Engine) -> str:
    """A broadcast of one batch that is in doubt."""
    broadcast_id = ledger.broadcast(here, batches=1)
    driver = Driver(here)
    driver.record(driver.claim(), said(45065))
    return broadcast_id


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """A command line with a migrated ledger."""
    line = CommandLine(tmp_path)
    template.lay(line.database)
    return line
