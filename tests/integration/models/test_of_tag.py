"""Which broadcasts keep a tag from being deleted."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from broadcast.rules.plan.audience import Followers, Tag
from broadcast.rules.plan.selection import Excluded, Exclusion, Selection
from broadcast.rules.plan.submission import Body
from models.ledger.views import at_wechat
from tests.kit import ledger

TAG = 105


def without(tag_id: int) -> Body:
    left_out = Exclusion(kind=Excluded.TAG, value=str(tag_id))
    return replace(ledger.body(), selection=Selection(exclude=(left_out,)))


def test_a_tag_is_needed_until_a_plan_or_a_call_has_asked_who_has_it(engine: Engine) -> None:
    to_followers = replace(ledger.body(), audience=Followers(tag_id=TAG))
    needing = [
        ledger.published(engine, replace(ledger.body(), audience=Tag(tag_id=TAG))),
        ledger.published(engine, to_followers),
        planned := ledger.published(engine, without(TAG)),
    ]
    ledger.published(engine, replace(ledger.body(), audience=Followers(tag_id=TAG + 1)))
    ledger.published(engine, without(TAG + 1))

    assert set(at_wechat.tag_sends_to_come(engine, "default", TAG)) == set(needing)
    ledger.planned(engine, planned)
    assert set(at_wechat.tag_sends_to_come(engine, "default", TAG)) == set(needing[:2])
