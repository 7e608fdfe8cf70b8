"""``api``: the HTTP API for other programs."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from broadcast import installed
from broadcast.errors import SettingsError
from broadcast.rules import api_keys
from broadcast.rules.accounts import no_account
from broadcast.settings.environment import COMPOSE
from entrypoints.cli.commands.callback import log_in_english
from entrypoints.cli.commands.options import new_app
from entrypoints.cli.listening import API_PORT, bound
from entrypoints.cli.run import Run

if TYPE_CHECKING:
    from entrypoints.http.api_parts import APIParts
    from entrypoints.http.app import Shutdown

app = new_app()


@app.command(help="help.api", json=False)
def api(
    run: Run,
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="help.callback.host")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="help.callback.port", min=0, max=65535)] = API_PORT,
    reuse_port: Annotated[bool, typer.Option("--reuse-port", help="help.api.reuse_port")] = False,
) -> None:
    """Serve until SIGTERM."""
    installed.require("fastapi", extra="api")
    from entrypoints.http.app import Shutdown, serve
    from entrypoints.http.threads import CONNECTIONS
    from models import durability

    if not run.settings.accounts():
        raise no_account()
    run.settings.signing_secrets()
    run.connections = CONNECTIONS
    # An answer of 201 says that the broadcast is safe.
    durability.check(run.engine)
    durability.demand(run.engine)
    ending = Shutdown()
    parts = _parts(run, ending)
    keys = parts.keys.read()
    if not keys:
        raise SettingsError("error.api_keys.none")
    listener = bound(host, port, shared=reuse_port)
    _warn(run, listener, keys)
    log_in_english()
    serve(
        parts,
        ending,
        language=run.texts.language,
        listener=listener,
        close=partial(_close, run),
    )


def _warn(run: Run, listener: socket.socket, keys: Sequence[api_keys.APIKey]) -> None:
    """Warn of what an operator must see to: TLS, files that others may read, wrong accounts."""
    from entrypoints.cli.probes.settings_probe import is_open

    address = listener.getsockname()[0]
    # Compose publishes it on the loopback interface alone.
    if not ipaddress.ip_address(address).is_loopback and COMPOSE not in os.environ:
        run.warn("api.plain_http", address=address)
    for path in (run.settings.api_keys_file, run.settings.webhook_secrets_file):
        if path is not None and is_open(path):
            run.warn("api.open_file", path=path)
    if unknown := api_keys.of_unknown_accounts(keys, run.settings.accounts()):
        run.warn("api.unknown_accounts", keys=", ".join(unknown))
    if short := sorted({key.name for key in keys if key.is_short}):
        run.warn("api.short_keys", names=", ".join(short), least=api_keys.LONG_ENOUGH)


def _parts(run: Run, ending: Shutdown) -> APIParts:
    from broadcast.settings.good_keys import GoodKeys
    from entrypoints.http.api_parts import APIParts
    from entrypoints.http.keyring import KeyRing
    from entrypoints.http.threads import Threads
    from models.ledger.boxes import api_keys as stored
    from producer.submit.recent_quotas import RecentQuotas
    from producer.waking import RestingWaker
    from producer.wiring.metrics import PartsMetrics
    from producer.wiring.wechat import QuotaWithReason

    waker, threads = RestingWaker(run.settings.celery_broker_url), Threads(run.engine)
    run.waker = waker
    return APIParts(
        settings=run.settings,
        engine=run.engine,
        wechat=run.wechat,
        waker=waker,
        quota=RecentQuotas(QuotaWithReason(run.wechat).quota),
        threads=threads,
        is_ending=ending,
        outside=PartsMetrics(run.wechat, waker, run.settings.accounts()),
        redis_problem=run.redis_problem,
        keys=KeyRing(
            GoodKeys(run.settings, partial(stored.good, run.engine)),
            threads=threads.keys,
        ),
    )


def _close(run: Run) -> None:
    run.waker.close()
    run.wechat.close()
