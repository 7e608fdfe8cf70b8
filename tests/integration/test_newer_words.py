"""What only a newer release knows is shown as such: the rest of a list is not lost for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from broadcast.enums import recognised
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.media import MediaKind
from broadcast.rules.states import Reason
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.every_table import Skipped
from models.ledger.lists import suppressions
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import present
from models.media import MediaRow
from models.suppressions import Suppression
from tests.integration.models.stories import close
from tests.integration.test_which import said
from tests.kit import ledger

ANNA, BEN = "o" + "1" * 27, "o" + "2" * 27
NEWER = "(from a newer release)"


def stop_of_another_path(engine: Engine) -> None:
    with engine.begin() as connection:
        lane_rows.ensure_lane(connection, ledger.account())
    pigeon = recognised(SendPath, "pigeon")
    close(
        engine,
        GateKind.STOP,
        path=pigeon,
        reason=Reason.ACCOUNT_STOPPED,
        errcode=48001,
    )


def objects(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words).splitlines()[-1])


def test_a_stop_of_another_interface_is_told_and_the_kill_switch_works(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_of_another_path(here)
    told = "a gate that only a newer release"

    assert told in said(capsys, "accounts")
    assert told in said(capsys, "halt")
    # Lifted are the halt and whatever stops of the account there are.
    assert told not in said(capsys, "unhalt")


def test_who_is_suppressed_for_another_reason_is_listed(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
    suppressions.suppress(here, [ANNA, BEN], word)
    with here.begin() as connection:
        connection.execute(
            update(Suppression).where(Suppression.openid == ANNA).values(kind="dream")
        )

    found = objects(capsys, "suppress", "list", "--all", "--json")["suppressed"]
    assert [(one["openid"], one["kind"]) for one in found] == [(ANNA, "dream"), (BEN, "person")]
    assert f"{ANNA},,dream," in said(capsys, "suppress", "list", "--all", "--csv")
    assert f"“dream” {NEWER}" in said(capsys, "follower", ANNA)


def test_media_of_another_kind_are_listed(here: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    account = ledger.account()
    with here.begin() as connection:
        connection.execute(
            insert(MediaRow).values(
                appid=account.appid,
                account=account.name,
                kind=recognised(MediaKind, "hologram"),
                permanent=True,
                fingerprint="f" * 64,
                name="me.holo",
                size=1,
                media_id="M",
                uploaded_at=present(here),
            )
        )

    assert f"“hologram” {NEWER}" in said(capsys, "media", "list")


@pytest.mark.parametrize("option", [(), ("--csv",)])
def test_who_was_left_out_for_another_reason_is_listed(
    here: Engine, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    broadcast_id = ledger.broadcast(here)
    with here.begin() as connection:
        connection.execute(
            insert(Skipped).values(
                broadcast_id=broadcast_id, reason="asleep", count=7, sample=json.dumps([[3, BEN]])
            )
        )

    told = said(capsys, "recipients", broadcast_id, "--set", "skipped", *option)

    assert (f"{BEN},3,skipped,asleep" if option else f"3\t“asleep” {NEWER}\t{BEN}") in told
    assert f"7 “asleep” {NEWER}" in told
