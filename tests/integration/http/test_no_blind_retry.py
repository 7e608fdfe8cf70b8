"""What a person would be asked before it goes out once more, a program is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, Reason
from models.every_table import GateRow
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import close
from tests.integration.models.words import DAY, doubt, resolve
from tests.kit import api, ledger, template
from tests.kit.api import Program
from tests.kit.ledger import Driver


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A database of its own."""
    return template.migrated(f"sqlite:///{tmp_path / 'broadcast.db'}")


def test_a_batch_whose_key_wechat_forgot_is_not_called_again_by_a_program(
    engine: Engine, tmp_path: Path
) -> None:
    broadcast_id = ledger.broadcast(engine)
    doubt(Driver(engine))
    resolve(engine, broadcast_id, None)
    ledger.pass_time(engine, 3 * DAY)
    with api.started(tmp_path, api.settings(str(engine.url))) as process:
        program = Program(url=api.url_of(process))
        refused = program.ask("POST", f"/v1/broadcasts/{broadcast_id}/retry")
    engine.dispose()

    assert refused.status_code == 409
    assert refused.json()["type"].endswith("error.retry.unprotected_one")
    assert f"broadcast retry {broadcast_id} --yes" in refused.json()["detail"]
    assert broadcast_reports.report(engine, broadcast_id).batch_list[0].state is BatchState.REFUSED


def test_a_retry_after_a_cancel_names_the_sets_of_those_who_were_not_sent_it(
    engine: Engine, tmp_path: Path
) -> None:
    """One batch is refused by an operator's verdict alone, so nobody is in the set cancelled."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    doubt(Driver(engine))
    operator.cancel(engine, broadcast_id, who="tests")
    resolve(engine, broadcast_id, None)
    with api.started(tmp_path, api.settings(str(engine.url))) as process:
        program = Program(url=api.url_of(process))
        refused = program.ask("POST", f"/v1/broadcasts/{broadcast_id}/retry").json()["detail"]
        where = f"/v1/broadcasts/{broadcast_id}/recipients"
        people = [program.get(where, set=name).text for name in ("cancelled", "refused")]
    engine.dispose()

    assert "Its sets cancelled and refused have those who were not sent it" in refused
    assert people[0] == ""
    assert len(people[1].splitlines()) == 20


def test_what_a_restore_held_a_program_resumes_where_it_says_so_and_never_retries(
    engine: Engine, tmp_path: Path
) -> None:
    broadcast_id = ledger.broadcast(engine)
    close(engine, GateKind.RESTORED, broadcast_id=broadcast_id)
    with api.started(tmp_path, api.settings(str(engine.url))) as process:
        program = Program(url=api.url_of(process))
        where = f"/v1/broadcasts/{broadcast_id}"
        retried = program.ask("POST", f"{where}/retry").json()
        refused = program.ask("POST", f"{where}/resume")
        resumed = program.ask("POST", f"{where}/resume", {"maybe_sent": True}).json()
    engine.dispose()

    assert (retried["state"], retried["changed"]) == ("held", False)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("error.resume.maybe_sent")
    assert '"maybe_sent": true' in refused.json()["detail"]
    assert (resumed["state"], resumed["changed"]) == ("waiting", True)


@pytest.mark.parametrize(
    ("reason", "error"),
    [(Reason.DRAFT_GONE, "draft_gone"), (Reason.DRAFT_EDITED, "draft_unseen")],
)
def test_a_draft_that_is_gone_or_was_edited_is_not_resumed_by_a_program(
    engine: Engine, tmp_path: Path, reason: Reason, error: str
) -> None:
    with api.started(tmp_path, api.settings(str(engine.url))) as process:
        program = Program(url=api.url_of(process))
        made = program.submit(api.people(2), key="draft").json()["id"]
        where = f"/v1/broadcasts/{made}"
        program.ask("POST", f"{where}/pause")
        with engine.begin() as connection:
            connection.execute(
                update(GateRow)
                .where(GateRow.broadcast_id == made)
                .values(kind=GateKind.DRAFT, reason=reason)
            )
        refused = program.ask("POST", f"{where}/resume")
        still = program.get(where).json()["blockers"]
    engine.dispose()

    assert refused.status_code == 409
    assert refused.json()["type"].endswith(f"error.resume.{error}")
    assert f"broadcast resume {made}" in refused.json()["detail"]
    assert [one["reason"] for one in still] == [reason.value]
