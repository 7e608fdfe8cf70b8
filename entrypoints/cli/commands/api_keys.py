"""``api-keys``: who may use the HTTP API. A key is shown once; its hash alone is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules import api_keys
from broadcast.rules.api_keys import APIKey, Scope, StoredKey
from broadcast.views.objects import members
from broadcast.views.words import Moment
from entrypoints.cli import candidates
from entrypoints.cli.commands.options import new_group
from entrypoints.cli.run import Run, who
from entrypoints.cli.terminal import Plain
from models.ledger.boxes import api_keys as boxes_api_keys

app, keys = new_group("api-keys")

#: What a program needs that sends and looks, and nothing more.
USUAL = (Scope.READ.value, Scope.SUBMIT.value)


@keys.command("new", help="help.api_keys.new")
def new(
    run: Run,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="help.api_keys.name", show_default=False)
    ],
    *,
    scopes: Annotated[
        list[str] | None, typer.Option("--scope", metavar="SCOPE", help="help.api_keys.scope")
    ] = None,
    accounts: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            metavar="NAME",
            help="help.api_keys.account",
            autocompletion=candidates.accounts,
        ),
    ] = None,
) -> None:
    """Make a key, and show it for the only time."""
    limits = None if not accounts else frozenset(run.account(a).name for a in accounts)
    rights = api_keys.scopes_of(scopes or USUAL)
    name = api_keys.checked_name(name)
    secret = api_keys.new_key()
    key = APIKey(name=name, scopes=rights, accounts=limits, digest=api_keys.digest(secret))
    key_id = boxes_api_keys.add(run.engine, key, who=who())
    if run.as_json:
        run.show_done({"id": key_id, "key": secret, **_facts(key)})
        return
    run.say("api_keys.made", id=key_id, name=name, scopes=_scopes(key))
    run.say(Plain(secret))
    run.note("api_keys.once", id=key_id)


@keys.command("list", help="help.api_keys.list")
def list_(
    run: Run,
    *,
    revoked: Annotated[bool, typer.Option("--all", help="help.api_keys.list.all")] = False,
) -> None:
    """List the keys that were made here, newest first; never a key itself."""
    found = [one for one in boxes_api_keys.stored(run.engine) if revoked or one.revoked_at is None]
    if run.as_json:
        run.show_done({"api_keys": [as_object(one) for one in found]})
        return
    for one in found:
        run.say(
            "api_keys.line",
            id=one.id,
            name=one.key.name,
            scopes=_scopes(one.key),
            accounts=_accounts(one.key),
            at=Moment(one.created_at, datetime.now(UTC)),
            who=one.created_by,
            state=_state(one),
        )
    if not found:
        run.say("api_keys.nobody")


@keys.command("revoke", help="help.api_keys.revoke")
def revoke(
    run: Run,
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="help.api_keys.id", show_default=False)
    ],
) -> None:
    """Revoke a key; running servers know within a second."""
    if not key_id.isascii() or not key_id.isprintable():
        raise InputError("error.api_keys.unknown", id=key_id)
    done = boxes_api_keys.revoke(run.engine, key_id, who=who())
    run.say("api_keys.revoked" if done else "api_keys.revoked_already", id=key_id)
    if run.as_json:
        [one] = [one for one in boxes_api_keys.stored(run.engine) if one.id == key_id]
        run.show_done(as_object(one))


def as_object(one: StoredKey) -> dict[str, object]:
    """Return a key as ``--json`` has it, without the key."""
    return {
        "id": one.id,
        **_facts(one.key),
        **members(one, "created_at", "created_by", "revoked_at", "revoked_by"),
    }


def _facts(key: APIKey) -> dict[str, object]:
    accounts = None if key.accounts is None else sorted(key.accounts)
    return {"name": key.name, "scopes": sorted(key.scopes), "accounts": accounts}


def _scopes(key: APIKey) -> str:
    return ", ".join(scope for scope in Scope if scope in key.scopes)


def _accounts(key: APIKey) -> Message | str:
    if key.accounts is None:
        return Message("api_keys.every_account")
    return ", ".join(sorted(key.accounts))


def _state(one: StoredKey) -> Message:
    return Message("api_keys.good" if one.revoked_at is None else "api_keys.bad")
