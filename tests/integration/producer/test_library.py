"""``from producer import Producer``: the same door as of every program, and the words to steer."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update

from broadcast.rules.gates.blockers import blockers_of
from broadcast.rules.gates.gate import Cause, GateKind
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.states import BroadcastState, Reason
from broadcast.views.program_words import explained
from models import schema
from models.every_table import AccountRow, GateRow
from models.ledger.submit import awaited_lists
from models.ledger.views import broadcast_reports
from producer import (
    ConflictError,
    InputError,
    OutOfReachError,
    Producer,
    RequestError,
    SettingsError,
    UnknownIdError,
    library,
)
from producer.campaigns import campaign_forms
from producer.campaigns.library_campaigns import CampaignArguments, Campaigns
from producer.request import shape
from tests.integration.models.stories import close
from tests.integration.models.test_known import sent
from tests.integration.producer.conftest import QuotaStub, openids
from tests.kit import dates, ledger
from tools.packages import OURS

ROOT = Path(__file__).parents[3]
TEXT = {"msgtype": "text", "text": {"content": "您好"}}
OWN = "wechat-broadcast has one too"


@pytest.fixture
def shop(here: Engine) -> Iterator[Producer]:
    """A producer on the settings of the environment; its broker is away."""
    del here
    with Producer("shop", quota=QuotaStub()) as shop:
        yield shop


def asked(key: str = "order-1", **members: Any) -> Any:
    return {"key": key, "content": TEXT, "audience": {"openids": openids(5)}, **members}


def test_a_broadcast_is_stored_once_under_its_key_though_the_broker_is_away(
    shop: Producer, here: Engine
) -> None:
    made, again = shop.submit(**asked(title="Sale")), shop.submit(**asked(title="Sale"))

    assert (made.created, again.created, again.id) == (True, False, made.id)
    (notice,) = made.notices
    assert notice.id == "notice.submit.not_woken"
    assert explained(notice).isprintable()
    assert explained(notice) != explained(notice, "zh")
    told = shop.status(made.id)
    assert (told.key, told.title, told.created_by) == ("order-1", "Sale", "python shop")
    found = shop.find("order-1", account="default")
    assert found is not None
    assert found.id == made.id
    assert shop.find("order-2") is None
    assert len(broadcast_reports.reports(here)) == 1


def test_its_errors_have_a_kind_a_name_a_field_and_words(shop: Producer, here: Engine) -> None:
    shop.submit(**asked())
    with pytest.raises(RequestError) as wrong:
        shop.submit(**asked(titles="x"))
    with pytest.raises(ConflictError) as taken:
        shop.submit(**asked(audience={"openids": openids(6)}))
    with pytest.raises(UnknownIdError) as unknown:
        shop.status("20260101-abcdef")

    assert wrong.value.facts["field"] == "titles"
    assert explained(wrong.value) == "titles is unknown. Did you mean title?"
    assert '"key"' in explained(taken.value, "zh")
    assert "--" not in explained(taken.value)
    assert "/v1/" not in explained(unknown.value)
    assert len(broadcast_reports.reports(here)) == 1


def test_an_account_that_has_sent_is_halted_without_readable_accounts(
    shop: Producer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = shop.submit(**asked())
    broken = tmp_path / "accounts.toml"
    broken.write_text("[default", "ascii")
    for name in ("WECHAT_APPID", "WECHAT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROADCAST_ACCOUNTS_FILE", str(broken))

    with Producer("shop", quota=QuotaStub()) as stopper:
        with pytest.raises(SettingsError):
            stopper.halt("nobody")
        assert stopper.halt("default", why="wrong article")
        halted = {one.cause for one in blockers_of(shop.status(made.id))}
        assert Cause.ACCOUNT_HALTED in halted
        assert stopper.unhalt("default")


def test_a_time_is_an_aware_datetime_or_a_text(shop: Producer) -> None:
    at = dates.ahead(30)
    made = shop.submit(**asked(at=at))

    assert shop.submit(**asked(at=dates.typed(at))).id == made.id
    assert (made.scheduled, shop.status(made.id).scheduled_at) == (True, at)
    with pytest.raises(RequestError) as naive:
        shop.submit(**asked("other", at=at.replace(tzinfo=None)))
    assert explained(naive.value).startswith("at is a datetime without a time zone. Give it")


def test_a_broadcast_is_paused_resumed_and_cancelled(shop: Producer) -> None:
    made = shop.submit(**asked())

    paused = shop.pause(made.id, why="wrong\nprice")
    assert paused.state is BroadcastState.PAUSED
    gate = paused.gate(GateKind.PAUSE)
    assert gate is not None
    assert (gate.closed_by, gate.why) == ("python shop", "wrong price")
    assert shop.resume(made.id).state is BroadcastState.PLANNING
    assert shop.cancel(made.id).state in {BroadcastState.CANCELLED, BroadcastState.PLANNING}
    with pytest.raises(InputError):
        shop.resume(made.id)


def test_a_broadcast_that_waits_for_its_list_is_cancelled(shop: Producer, here: Engine) -> None:
    body = replace(ledger.body(key="later"), audience=OpenIDs(digest=""))
    broadcast_id, _ = awaited_lists.reserve(here, body, request="{}", who="crm", title=None)

    for word in (shop.pause, shop.resume):
        with pytest.raises(ConflictError, match=r"error\.broadcast\.awaited"):
            word(broadcast_id)
    report = shop.cancel(broadcast_id, why="wrong\nlist")

    assert (report.state, report.is_unlisted) == (BroadcastState.CANCELLED, True)
    assert set(report.recipients.values()) == {0}
    gate = report.gate(GateKind.CANCEL)
    assert gate is not None
    assert (gate.closed_by, gate.why) == ("python shop", "wrong list")
    found = shop.find("later", account="default")
    assert found is not None
    assert found.id == broadcast_id
    with pytest.raises(InputError):
        shop.resume(broadcast_id)
    with pytest.raises(ConflictError, match=r"error.broadcast.uploading|still being stored"):
        shop.cancel(ledger.upload(here, ledger.body()))


def test_a_broadcast_that_waits_for_its_list_cannot_be_excluded(
    shop: Producer, here: Engine
) -> None:
    body = replace(ledger.body(key="later"), audience=OpenIDs(digest=""))
    awaited, _ = awaited_lists.reserve(here, body, request="{}", who="crm", title=None)

    with pytest.raises(InputError, match=r"error\.exclude\.awaited"):
        shop.submit(**asked(exclude=[f"broadcast:{awaited}"]))


def test_a_resume_does_not_reach_those_whom_a_newer_broadcast_reached(
    shop: Producer, here: Engine
) -> None:
    old = shop.submit(**asked()).id
    shop.pause(old)
    new = sent(here, openids(4), text="new")

    with pytest.raises(InputError) as refused:
        shop.resume(old)

    assert refused.value.message_id == "error.broadcast.newer"
    assert refused.value.facts == {
        "id": old,
        "count": 2,
        "ids": [new],
        "command": f"broadcast resume {old} --yes",
    }
    assert f"Only an operator can send them this one as well: broadcast resume {old}" in explained(
        refused.value
    )
    assert shop.status(old).state is BroadcastState.PAUSED


@pytest.mark.parametrize(
    ("reason", "error"),
    [(Reason.DRAFT_GONE, "draft_gone"), (Reason.DRAFT_UNREAD, "draft_unseen")],
)
def test_a_draft_that_nobody_saw_is_not_resumed(
    shop: Producer, here: Engine, reason: Reason, error: str
) -> None:
    made = shop.submit(**asked())
    shop.pause(made.id)
    gone = {"kind": GateKind.DRAFT, "reason": reason}
    with here.begin() as connection:
        connection.execute(update(GateRow).where(GateRow.broadcast_id == made.id).values(gone))

    with pytest.raises(InputError) as refused:
        shop.resume(made.id)

    assert refused.value.message_id == f"error.resume.{error}"
    assert [gate.reason for gate in shop.status(made.id).gates] == [reason]


def test_what_a_restore_held_is_resumed_where_that_is_meant(shop: Producer, here: Engine) -> None:
    made = shop.submit(**asked())
    close(here, GateKind.RESTORED, broadcast_id=made.id)

    with pytest.raises(InputError) as refused:
        shop.resume(made.id)

    assert refused.value.message_id == "error.resume.maybe_sent"
    assert shop.resume(made.id, maybe_sent=True).gates == []


def test_an_account_is_halted_and_unhalted(shop: Producer) -> None:
    assert (shop.halt("default"), shop.halt("default")) == (True, False)
    made = shop.submit(**asked())
    assert [gate.kind for gate in shop.status(made.id).gates] == [GateKind.HALT]
    assert (shop.unhalt("default"), shop.unhalt("default")) == (True, False)
    with pytest.raises(InputError):
        shop.halt("nobody")


def test_a_database_that_is_not_there_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OutOfReachError) as caught:
        Producer().status("x")

    assert caught.value.facts["command"] == schema.COMMAND
    assert str(tmp_path / "none.db") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_app_without_an_account_finds_the_broadcast_of_the_only_one(
    shop: Producer, here: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shop.submit(**asked())
    for name in ("WECHAT_APPID", "WECHAT_APPSECRET"):
        monkeypatch.delenv(name)

    with Producer("web") as web:
        found, none = web.find("order-1"), web.find("order-2")
        with here.begin() as connection:
            other = {"name": "other", "appid": "wx0000000000000009", "kind": "service"}
            row = connection.execute(select(AccountRow.__table__)).mappings().one()
            connection.execute(insert(AccountRow).values({**row, **other}))
        with pytest.raises(SettingsError, match="default, other"):
            web.find("order-1")
        named = web.find("order-1", account="default")

    assert found is not None
    assert named is not None
    assert (found.id, named.id, none) == (made.id, made.id, None)


def test_a_program_outside_of_a_checkout_must_name_its_database(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for package in OURS:
        shutil.copytree(ROOT / package, tmp_path / "installed" / package, ignore=ignored)
    shutil.copy(ROOT / "celeryconfig.py", tmp_path / "installed")
    variables = {"PYTHONPATH": str(tmp_path / "installed")}
    script = "from producer import Producer; Producer().status('x')"
    unset = f"import os; os.environ.pop('DATABASE_URL', None); {script}"

    done = run(unset, tmp_path, **variables)
    named = run(script, tmp_path, DATABASE_URL=f"sqlite:///{tmp_path / 'named.db'}", **variables)

    assert "SettingsError: error.settings.no_database (name=DATABASE_URL" in done.stderr
    assert f"error.schema.missing (command={schema.COMMAND}, database={tmp_path}" in named.stderr
    assert list(tmp_path.rglob("*.db")) == []


def test_every_process_has_its_own_connections(shop: Producer) -> None:
    made = shop.submit(**asked())
    child = os.fork()
    if not child:
        status = 1
        try:
            status = int(shop.submit(**asked()).id != made.id)
        finally:
            os._exit(status)

    assert os.waitpid(child, 0)[1] == 0
    assert shop.status(made.id).id == made.id


def test_its_keywords_are_the_members_of_every_request() -> None:
    assert set(typing.get_type_hints(library.Arguments)) == {"key", *shape.Request.model_fields}
    assert library.Arguments.__required_keys__ == {"key", "content", "audience"}


@pytest.mark.parametrize("verb", [name for name in vars(Producer) if not name.startswith("_")])
def test_every_verb_is_typed_and_documented(verb: str) -> None:
    function = inspect.unwrap(getattr(Producer, verb))
    _check_typed_and_documented(getattr(function, "fget", function))


@pytest.mark.parametrize("verb", [name for name in vars(Campaigns) if name.islower()])
def test_every_verb_of_campaigns_is_typed_and_documented(verb: str) -> None:
    if not verb.startswith("_") and callable(getattr(Campaigns, verb)):
        _check_typed_and_documented(getattr(Campaigns, verb))


def _check_typed_and_documented(function: Any) -> None:
    assert function.__doc__
    names = {"Report": object, "Submitted": object, "Campaigns": object}
    assert "return" in typing.get_type_hints(function, localns=names)


def test_a_campaign_is_said_by_the_members_of_every_request() -> None:
    form = campaign_forms.CampaignMembers.model_fields
    members = {one.alias or name for name, one in form.items()}
    assert set(typing.get_type_hints(CampaignArguments)) == members


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_is_imported_without_a_workers_code_and_without_celery(tmp_path: Path) -> None:
    script = (
        "import sys; from producer import Producer; Producer('x');"
        "far = {'worker', 'celery', 'kombu', 'broadcast.wechat', 'entrypoints', 'numpy', 'redis'};"
        "print(sorted(far & {*sys.modules}))"
    )
    done = run(script, tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_broadcast_is_submitted_and_a_worker_woken_without_a_workers_code(
    here: Engine, tmp_path: Path
) -> None:
    script = (
        "import sys; from producer import Producer;"
        "shop = Producer('x');"
        f"shop.submit(key='k', content={TEXT!r}, audience={{'openids': {openids(2)!r}}});"
        "print(shop.wake());"
        "far = {'worker', 'broadcast.wechat', 'entrypoints', 'requests'};"
        "print('celery' in sys.modules, sorted(far & {*sys.modules}))"
    )
    done = run(script, tmp_path)
    assert (done.stdout, done.stderr) == ("False\nTrue []\n", "")
    assert len(broadcast_reports.reports(here)) == 1


@pytest.mark.parametrize("file", ["models.py", "worker/__init__.py", "celeryconfig.py"])
@pytest.mark.parametrize("first", ["", "import {name};"])
def test_an_app_with_a_module_of_the_same_name_is_told_so_at_the_import(
    tmp_path: Path, file: str, first: str
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("")
    name = file.partition("/")[0].removesuffix(".py")

    done = run(f"{first.format(name=name)}from producer import Producer", tmp_path)

    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: This app has a module {name} of its own (")
    assert str(tmp_path / file) in last
    assert "HTTP API" in last
    assert "send_task" in last


def test_an_app_whose_modules_are_in_a_package_works(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "models.py").write_text("")
    done = run("import shop.models; from producer import Producer", tmp_path)
    assert done.stderr == ""


def test_another_name_of_the_package_is_an_attribute_error() -> None:
    import producer

    with pytest.raises(AttributeError):
        producer.Nothing  # noqa: B018
    assert {getattr(producer, name).__name__ for name in producer.__all__} == set(producer.__all__)
