"""Revisions are what they say, and words that are stored are known before they are written."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from models import schema
from models.base import _ENUMS
from tests.shadow.test_rolling_upgrade import CONTRACT, EXPAND
from tools.migration_rules import CONTRACT as CONTRACTS
from tools.migration_rules import kind_of, problems

VERSIONS = Path(schema.MIGRATIONS) / "versions"
#: It makes the tables; until the first release it was edited in place.
FIRST = schema.REVISIONS[0]
#: Words of which rows are made, and the number of the schema from which on they are written.
WORDS = VERSIONS.parent / "stored_words.csv"


def revisions() -> dict[str, str]:
    """Return the sources of all revisions but the first, by id."""
    found = {}
    for file in VERSIONS.glob("*.py"):
        source = file.read_text("utf-8")
        found[source.partition('revision = "')[2].partition('"')[0]] = source
    assert FIRST in found
    del found[FIRST]
    return found


def test_each_revision_is_what_it_says() -> None:
    found = {one: list(problems(source)) for one, source in revisions().items()}

    assert found.keys() == set(schema.REVISIONS[1:])
    assert not any(found.values()), found


def test_a_word_is_stored_from_a_contract_revision_on() -> None:
    """Workers of the release before would meet a word of which they do not know what it means."""
    sources = revisions()
    contracts = {
        number
        for number, one in enumerate(schema.REVISIONS, start=1)
        if one == FIRST or kind_of(sources[one]) == CONTRACTS
    }
    with WORDS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    listed = {(row["kind"], row["word"]) for row in rows}
    stored = {(enum.__name__, member.value) for enum in _ENUMS for member in enum}
    assert listed == stored, "a new word is written one release after it is known"
    assert {int(row["since"]) for row in rows} <= contracts


@pytest.mark.parametrize("source", [EXPAND, CONTRACT])
def test_made_up_revisions_keep_the_rules(source: str) -> None:
    assert list(problems(source)) == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ('op.drop_column("bc_batches", "n")', "does no drop_column"),
        ('op.alter_column("bc_batches", "n", type_=sa.Text())', "does no alter_column"),
        ('op.rename_table("bc_batches", "bc_calls")', "does no rename_table"),
        ("op.execute(\"UPDATE bc_batches SET state = 'new'\")", "does no execute"),
        ('op.add_column("bc_batches", sa.Column("x", sa.Text(), nullable=False))', "is nullable"),
        ('op.add_column("bc_batches", sa.Column("x", sa.Text()))', "is nullable"),
        ('op.create_index("x", "bc_batches", ["n"], unique=True)', "what is not unique"),
        ('op.create_unique_constraint("x", "bc_batches", ["n"])', "does no create_unique"),
        (
            'with op.batch_alter_table("bc_batches") as batch:\n        batch.drop_column("n")',
            "does no drop_column",
        ),
        (
            'with op.batch_alter_table("bc_batches") as b:\n        b.drop_column("n")',
            "does no drop_column",
        ),
        ('op.add_column("t", sa.Column("x", sa.ForeignKey("t.id"), nullable=True))', "constraint"),
        ('op.add_column("t", sa.Column("x", sa.Integer(), CHECK, nullable=True))', "constraint"),
        ('op.add_column("t", sa.Column("x", sa.Text(), nullable=True, unique=True))', "constraint"),
        (
            'op.add_column("t", sa.Column("x", sa.Boolean(create_constraint=True), nullable=True))',
            "constraint",
        ),
        (
            (
                'op.add_column("t", sa.Column("x", '
                'sa.Enum("a", create_constraint=True), nullable=True))'
            ),
            "constraint",
        ),
        (
            'op.add_column("t", sa.Column("x", sa.Text(), primary_key=True, server_default=""))',
            "constraint",
        ),
        ("op.get_bind()", "does no get_bind"),
        ('do = op.create_table\n    do("bc_new")', "by its own name"),
        ('getattr(op, "drop_" + "table")("bc_batches")', "by its own name"),
    ],
)
def test_what_is_no_addition_is_reported(statement: str, problem: str) -> None:
    [found] = problems(expand(statement))

    assert problem in found


def expand(statement: str) -> str:
    """Return an expand revision that does so alone."""
    before, _, rest = EXPAND.partition("    op.add_column")
    return f"{before}    {statement}\n\n\ndef downgrade{rest.partition('def downgrade')[2]}"


def test_what_would_keep_half_a_revision_is_reported() -> None:
    found = problems(
        expand(
            'with op.get_context().autocommit_block():\n        op.create_index("x", "t", ["n"])'
        )
    )

    assert [one.partition(" does no ")[2] for one in found] == [
        "autocommit_block: it keeps half a revision where the rest fails",
        "get_context: it is one release too early",
    ]


def test_what_a_new_column_says_that_it_has_not_is_no_constraint() -> None:
    column = 'sa.Column("x", sa.Boolean(create_constraint=False), nullable=True, unique=False)'

    assert list(problems(expand(f'op.add_column("t", {column})'))) == []


HELPER = """

def _clear():
    op.drop_table("bc_batches")


def upgrade() -> None:
    _clear()
"""
CALLED_FURTHER_ON = """

def upgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("DROP TABLE bc_batches")
    op.get_bind().execute("UPDATE bc_batches SET n = 1")
    op.get_context().connection.execute("UPDATE bc_batches SET n = 1")
    with op.batch_alter_table("bc_batches") as b:
        b.drop_column("n")
"""


def test_what_is_done_by_a_call_further_on_is_reported() -> None:
    head, tail = EXPAND.split("\n\ndef upgrade")[0], EXPAND.partition("\n\ndef downgrade")[2]

    def found(middle: str) -> list[str]:
        source = f"{head}{middle}\n\ndef downgrade{tail}"
        return [one.partition(" does no ")[2].partition(":")[0] for one in problems(source)]

    assert found(HELPER) == ["drop_table"]
    assert set(found(CALLED_FURTHER_ON)) >= {
        "get_bind",
        "exec_driver_sql",
        "execute",
        "connection",
        "drop_column",
    }


@pytest.mark.parametrize(
    "line", ["import os", "from models import base", "from alembic import op as o, context"]
)
def test_an_expand_revision_imports_nothing_that_could_do_it(line: str) -> None:
    [found] = problems(EXPAND.replace("from alembic import op", f"from alembic import op\n{line}"))

    assert "imports" in found


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (EXPAND.replace('KIND = "expand"\n', ""), "KIND"),
        (EXPAND.replace('"expand"', '"something"'), "KIND"),
        (CONTRACT.replace("oldest_compatible", "notes"), "oldest_compatible"),
    ],
)
def test_a_revision_says_what_it_is(source: str, problem: str) -> None:
    [found] = problems(source)

    assert problem in found
