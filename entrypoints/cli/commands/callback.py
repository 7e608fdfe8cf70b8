"""``callback``: the server that WeChat pushes to."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from broadcast import installed, names
from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.rules.accounts import Account, no_account
from broadcast.rules.pushes import Keywords
from broadcast.views.texts import Language, Texts
from entrypoints.cli.commands.options import new_app
from entrypoints.cli.listening import CALLBACK_PORT, bound
from entrypoints.cli.run import Run

if TYPE_CHECKING:
    from entrypoints.callback.account import ServedAccount

app = new_app()


@app.command(help="help.callback", json=False)
def callback(
    run: Run,
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="help.callback.host")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="help.callback.port", min=0, max=65535)] = CALLBACK_PORT,
) -> None:
    """Serve until SIGTERM."""
    installed.require("starlette", extra="api")
    from entrypoints.callback.callback_app import serve
    from models import durability

    accounts = with_token(run.settings.accounts().values())
    # An answer says that the push is safe.
    durability.check(run.engine)
    durability.demand(run.engine)
    listener = bound(host, port)
    log_in_english()
    for account in accounts:
        mode = Message(f"callback.mode.{'plain' if account.encoding_aes_key is None else 'aes'}")
        run.say("callback.account", name=account.name, mode=mode)
    run.terminal.warn_each(alike(accounts))
    sys.stdout.flush()
    serve(
        {account.name: _served(account, run.settings.lang) for account in accounts},
        engine=run.engine,
        listener=listener,
        wake=partial(run.waker.wake_for, names.HANDLE_PUSHES),
    )


def with_token(known: Iterable[Account]) -> list[Account]:
    """Return the accounts that can be served. Raises SettingsError, if there are none."""
    accounts = list(known)
    if not accounts:
        raise no_account()
    for account in accounts:
        if account.callback_token is None and account.encoding_aes_key is not None:
            raise SettingsError("error.callback.key_alone", account=account.name)
    found = [account for account in accounts if account.callback_token is not None]
    if not found:
        raise SettingsError("error.callback.no_token", accounts=[one.name for one in accounts])
    return found


def alike(accounts: Sequence[Account]) -> Iterator[Message]:
    """Yield which accounts in plain mode take pushes that are signed for another account.

    In clear nothing says whose a push is but the URL, and the token that signs it.
    """
    for account in accounts:
        others = [
            one.name
            for one in accounts
            if one is not account and one.callback_token == account.callback_token
        ]
        if others and account.encoding_aes_key is None:
            yield Message("callback.same_token", account=account.name, others=others)


def _served(account: Account, language: Language | None) -> ServedAccount:
    from entrypoints.callback.account import ServedAccount

    return ServedAccount(account, keywords_of(account, language))


def keywords_of(account: Account, language: Language | None) -> Keywords:
    """Return what a follower's word does. *language*: what BROADCAST_LANG says, if it is set.

    Else Chinese, which followers of an account read, whatever the server's own language.
    """
    texts, words = Texts(language or "zh"), account.resubscribe_words
    unsubscribed = (
        texts("keyword.unsubscribed", word=words[0])
        if words
        else texts("keyword.unsubscribed_for_good")
    )
    return account.keywords(unsubscribed=unsubscribed, resubscribed=texts("keyword.resubscribed"))


def log_in_english() -> None:
    """Log in English to standard error, as workers do; secrets are masked at the record."""
    from broadcast.logs import log_format

    log_format.set_up(logging.StreamHandler(sys.stderr))
