"""Column types that mean the same on SQLite, PostgreSQL and MySQL/MariaDB."""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from enum import StrEnum
from types import ModuleType
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Text,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from broadcast import day, stored_message
from broadcast.enums import recognised
from broadcast.message import Message
from broadcast.names import EventKind
from broadcast.rules.accounts import AccountKind
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.campaigns import template
from broadcast.rules.campaigns.launches import CampaignState, LaunchState, Why
from broadcast.rules.campaigns.rehearsals import Stage
from broadcast.rules.campaigns.template import Template
from broadcast.rules.dead_letters import LetterSource, LetterState
from broadcast.rules.drafts import Marks, dump_marks, load_marks
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.hand_calls import ByHand
from broadcast.rules.media import MediaFormat, MediaKind
from broadcast.rules.pushes import Action
from broadcast.rules.states import (
    BatchState,
    BroadcastState,
    NoticeState,
    Phase,
    Reason,
    WebhookState,
)

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
Q = TypeVar("Q", bound="Select[*tuple[Any, ...]]")

_MYSQL = {"mysql", "mariadb"}
#: BIGINT that still numbers itself on SQLite. msg_id exceeds 32 bits.
BigId = BigInteger().with_variant(Integer, "sqlite")


def ascii_string(length: int) -> TypeEngine[str]:
    """Return a case-sensitive string type: MySQL's default collation compares without case."""
    return (
        String(length)
        .with_variant(String(length, collation="ascii_bin"), "mysql", "mariadb")
        .with_variant(String(length, collation="C"), "postgresql")
    )


def text_string(length: int) -> TypeEngine[str]:
    """Return a string type for words of people, emoji included, compared byte by byte."""
    return String(length).with_variant(String(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def _of_mysql() -> ModuleType:
    """Return MySQL's own types; a program on another database does not load its drivers' code."""
    return importlib.import_module("sqlalchemy.dialects.mysql")


class Packed(TypeDecorator[bytes]):
    """Packed OpenIDs: MySQL's plain BLOB ends at 64 KiB, and 10,000 OpenIDs are 210 kB."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Give MySQL its medium one."""
        if dialect.name not in _MYSQL:
            return super().load_dialect_impl(dialect)
        return dialect.type_descriptor(_of_mysql().MEDIUMBLOB())


class LongText(TypeDecorator[str]):
    """JSON and other long text. MySQL's plain TEXT ends at 64 KiB too."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Give MySQL its medium one."""
        if dialect.name not in _MYSQL:
            # A driver's own type for text may be made as VARCHAR.
            return super().load_dialect_impl(dialect)
        medium = _of_mysql().MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin")
        return dialect.type_descriptor(medium)


class Written(TypeDecorator[T], Generic[T]):
    """A value as a long text, written and read by two functions of its module."""

    impl = LongText
    cache_ok = True

    def __init__(self, write: Callable[[T], str], read: Callable[[str], T]) -> None:
        """Take the functions."""
        super().__init__()
        self.write, self.read = write, read

    def process_bind_param(self, value: T | str | None, dialect: Dialect) -> str | None:
        """Write the value; a text is what one may begin with."""
        return value if value is None or isinstance(value, str) else self.write(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:
        """Read the value."""
        return None if value is None else self.read(value)


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment with microseconds.

    ``DateTime(timezone=True)`` comes back naive from SQLite and MySQL, with the local wall time;
    here a naive value is refused, everything is stored in UTC, and UTC is attached on the way back.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Give MySQL its fraction of a second."""
        if dialect.name in _MYSQL:
            return dialect.type_descriptor(_of_mysql().DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; raise ValueError on a naive moment."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Attach UTC."""
        if value is None:
            return None
        if isinstance(value, str):  # SQLite's own functions return text
            value = datetime.fromisoformat(value)
        moment = cast("datetime", value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class EnumText(TypeDecorator[E], Generic[E]):
    """A StrEnum stored by its value, as text: a new member needs no migration."""

    impl = String(32)
    cache_ok = True

    def __init__(self, enum: type[E]) -> None:
        """Take the enum."""
        super().__init__()
        self.enum = enum

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Store plain ASCII."""
        return dialect.type_descriptor(ascii_string(32))

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """Write the value; raise ValueError for what is no member, unless it was read here."""
        if value is None or isinstance(value, self.enum):
            return None if value is None else value.value
        return self.enum(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        """Read the member, or one that only a newer release knows."""
        return None if value is None else recognised(self.enum, value)


#: A number that the database gives a row.
RowID = Annotated[int, mapped_column(BigId, primary_key=True, autoincrement=True)]
#: What a row begins with none of.
Count = Annotated[int, mapped_column(default=0)]
#: A number that may exceed 32 bits, and a count that may.
BigInt = Annotated[int, mapped_column(BigInteger)]
BigCount = Annotated[int, mapped_column(BigInteger, default=0)]
#: Names, keys, digests and OpenIDs of so many characters at most.
Ascii16 = Annotated[str, mapped_column(ascii_string(16))]
Ascii28 = Annotated[str, mapped_column(ascii_string(28))]
Ascii32 = Annotated[str, mapped_column(ascii_string(32))]
Ascii64 = Annotated[str, mapped_column(ascii_string(64))]
Ascii128 = Annotated[str, mapped_column(ascii_string(128))]
#: Words of people, of so many characters at most.
Text64 = Annotated[str, mapped_column(text_string(64))]
Text128 = Annotated[str, mapped_column(text_string(128))]
Text512 = Annotated[str, mapped_column(text_string(512))]
LongWords = Annotated[str, mapped_column(LongText)]
PackedBytes = Annotated[bytes, mapped_column(Packed)]
#: Whose a row is.
OfAccount = Annotated[str, mapped_column(ascii_string(64), ForeignKey("bc_accounts.name"))]
OfBroadcast = Annotated[str, mapped_column(ascii_string(32), ForeignKey("bc_broadcasts.id"))]


class place_in(FunctionElement[int]):  # noqa: N801 - SQLAlchemy's way for functions
    """Position of the second bytes in the first, from 1; 0: they are not in it."""

    type = Integer()
    inherit_cache = True
    name = "place_in"


@compiles(place_in)
def _instr(element: place_in, compiler: SQLCompiler, **words: Any) -> str:
    return f"instr({compiler.process(element.clauses, **words)})"


@compiles(place_in, "postgresql")
def _position(element: place_in, compiler: SQLCompiler, **words: Any) -> str:
    where, what = (compiler.process(one, **words) for one in element.clauses)
    return f"position({what} in {where})"


#: Without those that are mistaken for each other when an id is read out.
_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
#: Of each id so many are drawn.
LENGTH: Final = 6


def drawn() -> str:
    """Return letters that are drawn by chance."""
    return "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))


def dated(moment: datetime) -> str:
    """Return an id of the day in Shanghai, which on that day one in 700 million is as well."""
    return f"{moment.astimezone(day.SHANGHAI):%Y%m%d}-{drawn()}"


_ENUMS: dict[type[StrEnum], EnumText[Any]] = {
    enum: EnumText(enum)
    for enum in (
        AccountKind,
        Action,
        BatchState,
        BroadcastState,
        ByHand,
        CampaignState,
        EventKind,
        GateKind,
        GateScope,
        LaunchState,
        LetterSource,
        LetterState,
        MediaFormat,
        MediaKind,
        NoticeState,
        Outcome,
        Phase,
        Reason,
        SendPath,
        Stage,
        WebhookState,
        Why,
    )
}


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment,
        Message: Written(stored_message.stored, stored_message.parse),
        Marks: Written(dump_marks, load_marks),
        Template: Written(template.stored, template.load),
        **_ENUMS,
    }


def _is(table: Any, key: object) -> ColumnElement[bool]:
    """Return the condition that the primary key of a row is *key*."""
    [its_key] = inspect(table).primary_key
    return cast("ColumnElement[bool]", its_key == key)


def insert_row(connection: Connection, table: type[Base], /, **values: object) -> None:
    """Insert a row into *table*."""
    connection.execute(insert(table).values(values))


def change(connection: Connection, table: type[Base], key: object, /, **values: object) -> None:
    """Change the row of *table* whose primary key is *key*."""
    change_where(connection, table, _is(table, key), **values)


def change_where(
    connection: Connection, table: type[Base], /, *which: ColumnElement[bool], **values: object
) -> int:
    """Change the rows of *which*; return how many there were."""
    return connection.execute(update(table).where(*which).values(values)).rowcount


def delete_where(connection: Connection, table: type[Base], *which: ColumnElement[bool]) -> int:
    """Delete the rows of *which*; return how many there were."""
    return connection.execute(delete(table).where(*which)).rowcount


def delete_some(
    connection: Connection,
    key: InstrumentedAttribute[Any],
    *which: ColumnElement[bool],
    most: int,
) -> int:
    """Delete up to *most* rows of *which*, by the column *key*; return how many there were."""
    found = connection.scalars(select(key).where(*which).limit(most)).all()
    if found:
        connection.execute(delete(key.class_).where(*which, key.in_(found)))
    return len(found)


def among(query: Q, column: InstrumentedAttribute[Any], values: Collection[Any] | None) -> Q:
    """Return the query for rows with one of these *values* in a column; None: for all."""
    return query if values is None else query.where(column.in_(values))


def count_of(connection: Connection, table: type[Base], *which: ColumnElement[bool]) -> int:
    """Return how many rows of a table there are of *which*."""
    query = select(func.count()).select_from(table).where(*which)
    return connection.scalar(query) or 0


def is_so(connection: Connection, condition: ColumnElement[bool]) -> bool:
    """Return whether a condition without a row of its own is true."""
    return bool(connection.scalar(select(condition)))


def row_of(connection: Connection, key: object, *columns: InstrumentedAttribute[Any]) -> Row[Any]:
    """Return columns of the row whose primary key is *key*. Raises NoResultFound."""
    return connection.execute(select(*columns).where(_is(columns[0].class_, key))).one()


def value_of(connection: Connection, key: object, column: InstrumentedAttribute[T]) -> T | None:
    """Return a column of the row whose primary key is *key*; None as well where there is none."""
    query: Select[Any] = select(column).where(_is(column.class_, key))
    value: T | None = connection.scalar(query)
    return value
