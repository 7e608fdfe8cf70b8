"""A send that WeChat will refuse for the account's messages: said before it is stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.message import Message
from broadcast.rules.accounts import Account, AccountKind
from broadcast.rules.plan.audience import Everyone, Tag
from broadcast.views.texts import Texts
from models.engine import open_engine
from models.every_table import Base
from models.ledger.lane import leases
from producer.submit.prepare import prepare
from tests.integration.models.still_clock import StillClock
from tests.integration.models.test_sendall import answered, planned, published
from tests.integration.producer.conftest import QuotaStub, order
from tests.kit import ledger

#: Of the clock that stands still in March, in Shanghai.
NEXT_DAY = datetime(2026, 3, 12, 16, tzinfo=UTC)
MARCH = date(2026, 3, 1)
NEXT_MONTH = datetime(2026, 3, 31, 16, tzinfo=UTC)


@pytest.fixture
def still(tmp_path: Path) -> Engine:
    """A ledger at noon of 12 March."""
    engine = open_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    StillClock(engine)
    Base.metadata.create_all(engine)
    return engine


def accepted(engine: Engine, *audiences: Everyone | Tag, first: int = 0) -> None:
    for n, audience in enumerate(audiences, start=first):
        planned(engine, audience, key=f"sent-{n}")
        driver = ledger.Driver(engine)
        driver.call(answered(0, msg_id=n + 1))
        leases.release(engine, driver.lease)


def told(
    engine: Engine,
    account: Account,
    audience: Everyone | Tag,
    at: datetime | None = None,
    key: str = "k1",
) -> list[Message]:
    wanted = order(account, scheduled_at=at)
    prepared = prepare(wanted, audience, engine=engine, quota=QuotaStub())
    return [one for one in prepared.notices if one.id.startswith("notice.messages")]


def test_the_fifth_message_to_everybody_in_a_month_is_foreseen(still: Engine) -> None:
    account = ledger.account()
    accepted(still, *[Everyone()] * 3, Tag(tag_id=2))
    assert told(still, account, Everyone()) == []
    assert [one.facts["n"] for one in told(still, account, Tag(tag_id=3))] == [4]

    accepted(still, Everyone(), first=4)

    [notice] = told(still, account, Everyone())
    assert notice.id == "notice.messages.month"
    assert dict(notice.facts) == {
        "account": account.name,
        "n": 4,
        "most": 4,
        "month": MARCH,
        "until": NEXT_MONTH,
    }
    assert "everybody in 2026-03," in Texts("en")(notice)
    assert "在 2026-03 已" in Texts("zh")(notice)
    # Tags are limited for each follower, and another month has messages of its own.
    [notice] = told(still, account, Tag(tag_id=2))
    assert (notice.id, notice.facts["n"]) == ("notice.messages.followers", 5)
    assert told(still, account, Tag(tag_id=2), at=NEXT_MONTH) == []
    assert told(still, account, Everyone(), at=NEXT_MONTH) == []


def test_the_second_message_of_a_subscription_account_in_a_day_is_foreseen(still: Engine) -> None:
    account = ledger.account().model_copy(update={"account_kind": AccountKind.SUBSCRIPTION})
    accepted(still, Tag(tag_id=2))

    [notice] = told(still, account, Everyone())

    assert (notice.id, notice.facts["until"]) == ("notice.messages.day", NEXT_DAY)
    assert told(still, account, Tag(tag_id=2), at=NEXT_DAY) == []


def test_what_is_still_to_be_sent_in_the_same_month_counts(still: Engine) -> None:
    account = ledger.account()
    accepted(still, *[Everyone()] * 2)
    published(still, Everyone(), key="now")
    published(still, Everyone(), key="next month", at=NEXT_MONTH)
    assert told(still, account, Everyone()) == []

    published(still, Everyone(), key="next day", at=NEXT_DAY)

    [notice] = told(still, account, Everyone(), at=NEXT_DAY)
    assert notice.id == "notice.messages.month_to_come"
    assert dict(notice.facts) == {
        "account": account.name,
        "n": 2,
        "more": 2,
        "most": 4,
        "month": MARCH,
        "until": NEXT_MONTH,
    }


def test_two_sends_of_a_subscription_account_that_are_scheduled_for_one_day_are_foreseen(
    still: Engine,
) -> None:
    account = ledger.account().model_copy(update={"account_kind": AccountKind.SUBSCRIPTION})
    published(still, Tag(tag_id=2), at=NEXT_DAY)

    [notice] = told(still, account, Everyone(), at=NEXT_DAY + timedelta(hours=23))

    assert (notice.id, notice.facts["more"]) == ("notice.messages.day_to_come", 1)
    assert told(still, account, Everyone()) == []


def test_a_send_to_everybody_in_doubt_may_use_up_the_messages_of_the_month(still: Engine) -> None:
    """Whether it went out is not known: it is neither counted as sent nor left out."""
    account = ledger.account()
    accepted(still, *[Everyone()] * 2)
    lost(still, "for a person")
    ends_in_doubt(still)
    lost(still, "repeated")

    [notice] = told(still, account, Everyone())

    assert notice.id == "notice.messages.month_in_doubt"
    assert dict(notice.facts) == {
        "account": account.name,
        "n": 2,
        "more": 0,
        "doubts": 2,
        "most": 4,
        "month": MARCH,
        "until": NEXT_MONTH,
    }
    ends_in_doubt(still)
    accepted(still, Everyone(), Everyone(), first=6)
    [notice] = told(still, account, Everyone())
    assert (notice.id, notice.facts["n"]) == ("notice.messages.month", 4)


def lost(engine: Engine, key: str) -> None:
    """Send to everybody, and lose WeChat's reply."""
    planned(engine, Everyone(), key=key)
    driver = ledger.Driver(engine)
    driver.call(ledger.LOST)
    leases.release(engine, driver.lease)


def ends_in_doubt(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE bc_batches SET state = 'in_doubt' WHERE state = 'unknown'"
        )
