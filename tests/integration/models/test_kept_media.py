"""Uploads that are written down, and the kept files and contents of broadcasts of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.media import LIFE, MARGIN, Media, MediaKind
from broadcast.rules.states import Reason
from models.ledger.lists import media, uploads
from models.ledger.plan import renewals
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import the_gate
from tests.integration.worker.test_media_watch import broadcast, kept, pictures
from tests.kit import ledger
from tests.kit.ledger import Driver, said

pytestmark = pytest.mark.every_database

OWNER = ledger.account()
REFUSED = NoAnswer(outcome=Outcome.STOP_BROADCAST, scope=Scope.PATH, errcode=40009, errmsg="size")


def uploaded(engine: Engine, media_id: str, *, permanent: bool = False) -> Media:
    return media.remember(
        engine,
        OWNER,
        kind=MediaKind.IMAGE,
        permanent=permanent,
        fingerprint=f"of {media_id}",
        name=f"{media_id}.jpg",
        size=1,
        media_id=media_id,
    )


def listed(engine: Engine, *, dead: bool = False, all_accounts: bool = False) -> list[str | None]:
    found = media.listed(engine, None if all_accounts else OWNER, most=9, dead=dead)
    return [one.media_id for one in found.media]


def test_an_upload_is_found_by_its_file_and_its_id_until_it_dies(engine: Engine) -> None:
    one, other = uploaded(engine, "P1"), uploaded(engine, "P2", permanent=True)

    found = media.of_file(engine, OWNER, fingerprint="of P1", kind=MediaKind.IMAGE, permanent=False)
    assert (list(found.media), found.now >= one.uploaded_at) == ([one], True)
    assert list(media.of_ids(engine, ["P1", "P2", "p1"]).media) == [other, one]
    assert media.names(engine, ["P1", "p2"]) == {"P1": "P1.jpg"}
    assert listed(engine) == listed(engine, all_accounts=True) == ["P2", "P1"]
    media.mark_lost(engine, OWNER, ["P1"])
    assert (listed(engine), listed(engine, dead=True)) == (["P2"], ["P2", "P1"])


def test_what_wechat_did_not_have_at_a_call_is_denied(engine: Engine) -> None:
    one = uploaded(engine, "P1")
    broadcast_id = broadcast(engine, pictures("P1", "P9"), batches=1)

    assert media.used_under_key(engine, OWNER, "k") == {"P1", "P9"}
    assert media.used_under_key(engine, OWNER, "K") == ()
    assert list(broadcast_reports.report(engine, broadcast_id).files) == ["P1.jpg", "P9"]
    assert not media.is_denied(engine, OWNER, one)
    Driver(engine).call(said(40007))
    operator.cancel(engine, broadcast_id, who="tests")
    assert not media.is_denied(engine, OWNER, uploaded(engine, "P2"))


def test_files_are_kept_with_a_broadcast_and_their_ids_renewed_until_it_ends(
    engine: Engine,
) -> None:
    photo = kept("P-old")
    broadcast_id = broadcast(engine, pictures("P-old"), photo)
    work = Driver(engine).next()
    ledger.pass_time(engine, LIFE - MARGIN / 2)

    assert list(renewals.kept_files(engine, broadcast_id)) == [photo]
    life = renewals.life_of_files(engine, work)
    assert life is not None
    assert timedelta() < life.dies_at - life.now < MARGIN
    renewals.delay_renewal(engine, work, REFUSED, waits=Waits())
    held = the_gate(engine, GateKind.HOLD, broadcast_id)
    assert (held.reason, held.errcode) == (Reason.MEDIA_NOT_RENEWED, 40009)
    # Its id is as old.
    assert not renewals.renew(engine, broadcast_id, {"P-old": "P-old"}, appid=OWNER.appid)
    uploaded(engine, "P-new")
    assert renewals.renew(engine, broadcast_id, {"P-old": "P-new"}, appid=OWNER.appid)
    assert {row.renewal for row in ledger.batches(engine, broadcast_id)} == {1}
    said_now = json.loads(renewals.content_of_files(engine, broadcast_id, 1))
    assert said_now["images"]["media_ids"] == ["P-new"]
    with pytest.raises(LookupError):
        renewals.content_of_files(engine, broadcast_id, 2)
    assert uploads.drop_files_of_ended(engine) == 0
    operator.cancel(engine, broadcast_id, who="tests")
    assert [uploads.drop_files_of_ended(engine) for _ in range(2)] == [1, 0]
    assert list(renewals.kept_files(engine, broadcast_id)) == []
