"""The place of a database of MySQL, by the columns that it would say: no test runs one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Connection

from broadcast.rules.gates.restore_guard import Counts, Trust, judge
from broadcast.rules.states import Reason
from models.place import place_of
from tests.unit.rules.test_restore_guard import facts

UUID, OTHER_UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "5f22fa47-71ca-11e1-9e33-c80aa9429562"


def place(server_uuid: str, schema: str) -> str:
    """Return what is noted of a MySQL server that says this of itself."""

    def answer(query: str) -> Any:
        # MariaDB has no such variable, and is asked something else.
        assert query == "SELECT @@server_uuid, DATABASE()"
        return SimpleNamespace(one=lambda: (server_uuid, schema))

    dialect = SimpleNamespace(name="mysql", is_mariadb=False)
    return place_of(cast("Connection", SimpleNamespace(dialect=dialect, exec_driver_sql=answer)))


def test_a_database_of_mysql_is_known_by_its_servers_uuid_and_its_schema() -> None:
    here = place(UUID, "bc")
    counts = Counts(claims={"shop": 7}, notes=5)

    assert judge(facts(known_place=here, place=place(UUID, "bc")), "shop", counts=counts) is (
        Trust.KNOWN
    )
    for elsewhere in (place(OTHER_UUID, "bc"), place(UUID, "staging")):
        moved = facts(known_place=here, place=elsewhere)
        assert judge(moved, "shop", counts=counts) is Reason.OTHER_PLACE
        # Only a table of MariaDB may be made anew in its place.
        assert not moved.was_rebuilt
        assert not moved.has_new_place(counts)
