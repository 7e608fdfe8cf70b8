"""The database: whether it may be worked on, and what it says of accounts, letters and pushes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from broadcast.errors import (
    BroadcastError,
    DatabaseAwayError,
    DurabilityError,
    OutOfReachError,
    SchemaError,
    SettingsError,
)
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import NEAR_TURN
from broadcast.rules.findings import Facts, Fault, Finding, of_fault
from broadcast.rules.gates.gate import GateKind
from broadcast.views.blocker_lines import Lanes
from broadcast.views.words import Moment
from entrypoints.cli import ledger_facts
from entrypoints.cli.probes.shell_words import away, sql
from models import durability, mysql_columns, schema
from models.engine import clock_ahead
from models.ledger.boxes import dead_letters
from models.ledger.gates import restores
from models.ledger.rows import known_accounts
from models.ledger.views import refused_pushes

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from producer.wiring.store_parts import StoreParts

_SCHEMAS: Final = {
    "error.schema.old": Fault.DATABASE_OLD,
    "error.schema.missing": Fault.DATABASE_EMPTY,
    "error.schema.no_folder": Fault.DATABASE_EMPTY,
}
#: Bytes: what is stored at once has up to a megabyte, and the driver's own frame.
_LEAST_PACKET: Final = 4 * 1024 * 1024
_GOOD_PACKET: Final = 64 * 1024 * 1024
#: A request to the callback URL that was refused longer ago says nothing of today.
_REFUSED_WITHIN: Final = timedelta(hours=24)


def probe(parts: StoreParts, accounts: Mapping[str, Account], facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the database, then what it says; note what others need of it."""
    try:
        schema.check_present(parts.settings.database())
        # Before the schema: a server is wrong also where its database has no tables yet.
        yield from _of_server(parts.engine_to_upgrade)
        engine = parts.engine
        facts.installation = schema.installation(engine)
        facts.database_ahead = clock_ahead(engine)
        yield from _of_ledger(engine, accounts, facts)
    except SchemaError as error:
        fault = _SCHEMAS.get(error.message_id, Fault.DATABASE_NEW)
        is_repaired = fault in {Fault.DATABASE_OLD, Fault.DATABASE_EMPTY}
        command = schema.COMMAND if is_repaired else None
        yield Finding(fault=fault, what=error.message, command=command)
    except DatabaseAwayError as error:
        yield away(Fault.DATABASE_AWAY, error, parts.settings.database())
    except OutOfReachError as error:
        yield Finding(fault=Fault.DATABASE_UNFIT, what=error.message)


def _of_server(engine: Engine) -> Iterator[Finding]:
    try:
        durability.check(engine)
    except DurabilityError as error:
        yield Finding(
            fault=Fault.DURABILITY, what=error.message, command=_made_durable(engine, error)
        )
    if engine.dialect.name != "mysql":
        return
    if wrong := mysql_columns.corrections(engine):
        command = sql(engine.url, "SET foreign_key_checks = 0", *wrong.values())
        yield of_fault(Fault.COLLATION, command=command, tables=[*wrong])
    if (found := mysql_columns.longest_statement(engine)) < _LEAST_PACKET:
        command = sql(engine.url, f"SET GLOBAL max_allowed_packet = {_GOOD_PACKET}")
        yield of_fault(
            Fault.PACKET, command=command, has_fix=True, found=found, least=_LEAST_PACKET
        )


def _made_durable(engine: Engine, error: BroadcastError) -> str | None:
    setting = error.message_id.rpartition(".")[2]
    match engine.dialect.name:
        case "postgresql" if setting == "synchronous_commit":
            # It is stronger than what all others say, and each role may do it.
            name = engine.dialect.identifier_preparer.quote(engine.url.database or "")
            within = f" IN DATABASE {name}" if engine.url.database else ""
            return sql(engine.url, f"ALTER ROLE CURRENT_USER{within} SET {setting} = on")
        case "postgresql":
            return sql(engine.url, f"ALTER SYSTEM SET {setting} = on", "SELECT pg_reload_conf()")
        case "mysql":
            return sql(engine.url, f"SET GLOBAL {setting} = 1")
    return None


def _of_ledger(engine: Engine, accounts: Mapping[str, Account], facts: Facts) -> Iterator[Finding]:
    lanes = ledger_facts.lanes(engine)
    for used in lanes.by_account:
        yield from _of_lane(lanes, used)
    for name, account in accounts.items():
        try:
            known_accounts.check_account(engine, account)
        except SettingsError as error:
            yield Finding(fault=Fault.APPID, account=name, what=error.message)
        # WeChat's count may be of the day that has just ended here, or ends now.
        facts.called[name] = restores.called_today(engine, name, lanes.now - NEAR_TURN)
        if at := refused_pushes.refused_at(engine, name, _REFUSED_WITHIN):
            seen = Moment(at, lanes.now)
            yield of_fault(Fault.CALLBACK, account=name, has_fix=True, at=seen)
    if dead := dead_letters.count(engine):
        yield Finding(fault=Fault.DEAD_LETTERS, what=Message("status.dead_letters", n=dead))


def _of_lane(lanes: Lanes, account: str) -> Iterator[Finding]:
    lane = lanes.by_account[account]
    if not any(map(lane.is_off_for, SendPath)):
        return
    is_restored = lane.gate(GateKind.RESTORED) is not None
    yield Finding(
        fault=Fault.RESTORED if is_restored else Fault.ACCOUNT_OFF,
        account=account,
        what=Message("doctor.account_off", account=account),
        fix=next(lanes.stops(account)),
        command=lane.opened_by(account),
    )
