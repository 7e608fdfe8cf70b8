"""A list of which a part got another content just now: the notice names it before it is stored."""

from __future__ import annotations

from sqlalchemy import Engine

from broadcast.rules.accounts import Account
from tests.integration.producer.conftest import openids, order, send
from tests.kit import ledger


def test_a_list_of_which_a_part_got_another_content_just_now_is_warned_of(
    engine: Engine, account: Account
) -> None:
    people = openids(30)
    first = send(engine, order(account, text="wrong", batch_size=10), people)
    ledger.planned(engine, first.id, owner=account)
    driver = ledger.Driver(engine, account.name)
    driver.call(ledger.said(0, msg_id=1))
    driver.call(ledger.said(40007))

    made = send(engine, order(account, "k2"), people)

    assert made.created
    [notice] = made.notices
    assert notice.id == "notice.submit.overlap"
    assert notice.facts | {"at": None} == {
        "count": 10,
        "planned": 30,
        "id": first.id,
        "at": None,
        "file": "rest.txt",
        "commands": f"broadcast cancel {first.id} --yes"
        f" && broadcast recipients {first.id} --set cancelled --set refused > rest.txt",
    }
    # The rest of another list has other people in it.
    other = send(engine, order(account, "k3"), [*people, *openids(5, seed=2)])
    assert [(one.id, one.facts["count"]) for one in other.notices][:1] == [
        ("notice.submit.overlap_other_list", 10)
    ]


def test_a_list_of_which_everybody_may_have_got_another_content_names_no_rest(
    engine: Engine, account: Account
) -> None:
    first = send(engine, order(account, text="wrong"), openids(5))
    ledger.planned(engine, first.id, owner=account)
    ledger.Driver(engine, account.name).call(ledger.LOST)

    made = send(engine, order(account, "k2"), openids(5))

    assert [(n.id, n.facts["count"]) for n in made.notices] == [
        ("notice.submit.overlap_no_rest", 5)
    ]
