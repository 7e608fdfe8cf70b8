"""Dead letters by HTTP: shown, sent, dropped one by one or all, and in pages."""

from __future__ import annotations

import json

import pytest

from broadcast.message import Message
from broadcast.rules.dead_letters import Letter, LetterSource
from models.ledger.boxes import dead_letters
from tests.integration.http.conftest import Served
from tests.kit import api
from tests.kit.api import Program


def test_dead_letters_are_shown_sent_and_dropped(served: Served, program: Program) -> None:
    def dead(key: str, **members: object) -> str:
        body = {
            "key": key,
            "account": "main",
            "content": api.TEXT,
            "audience": {"openids": api.people(2, seed=key)},
            **members,
        }
        return dead_letters.store_letter(
            served.engine,
            Letter(
                source=LetterSource.CELERY,
                body=json.dumps(body),
                key=key,
                account="main",
                reason=Message("error.request.missing", field="content"),
            ),
        )

    strange = dead("dead-strange", account="nobody")
    good, bad, away = dead("dead-good"), dead("dead-bad", at="2020-01-01 10:00"), dead("dead-away")
    shown = program.get(f"/v1/dead-letters/{good}").json()
    sent = program.ask("POST", f"/v1/dead-letters/{good}/retry")
    still = program.ask("POST", f"/v1/dead-letters/{bad}/retry")
    dropped = program.ask("POST", f"/v1/dead-letters/{away}/drop")
    again = program.ask("POST", f"/v1/dead-letters/{away}/retry")
    listed = [one["id"] for one in program.get("/v1/dead-letters").json()["dead_letters"]]

    assert program.ask("POST", f"/v1/dead-letters/{strange}/retry").status_code == 409
    taken = program.ask("POST", f"/v1/dead-letters/{dead('dead-good', title='?')}/retry")
    # Of the letter: this request has no such header.
    assert (taken.status_code, taken.json()["field"]) == (409, "key")
    assert shown["body"]["key"] == "dead-good"
    assert shown["reason"]["field"] == "content"
    assert sent.json()["state"] == "sent"
    made = program.get(f"/v1/broadcasts/{sent.json()['broadcast_id']}").json()
    assert made["key"] == "dead-good"
    assert (still.status_code, again.status_code) == (409, 409)
    assert (still.json()["field"], still.json()["type"]) == ("at", "/docs/errors#error.dead.still")
    assert dropped.json()["state"] == "dropped"
    assert bad in listed
    assert away not in listed
    limited = served.program("of-shop-key-0123")
    assert limited.get(f"/v1/dead-letters/{bad}").status_code == 404
    for verb in ("retry", "drop"):
        assert limited.ask("POST", f"/v1/dead-letters/{bad}/{verb}").status_code == 404
    theirs = {
        one["id"] for one in limited.get("/v1/dead-letters", closed="true").json()["dead_letters"]
    }
    assert theirs & {strange, good, bad, away} == set()


def test_a_message_of_the_queue_to_everybody_is_no_more_retried_than_the_queue_may_send_one(
    served: Served, program: Program
) -> None:
    everybody = {"to_all": True, "confirm_to_all": "main"}
    body = {"key": "dead-all", "account": "main", "content": api.TEXT, "audience": everybody}
    letter = Letter(
        source=LetterSource.CELERY,
        body=json.dumps(body),
        key="dead-all",
        account="main",
        reason=Message("error.dead.to_all"),
    )
    letter_id = dead_letters.store_letter(served.engine, letter)

    refused = program.ask("POST", f"/v1/dead-letters/{letter_id}/retry")

    assert (refused.status_code, refused.json()["field"]) == (409, "audience.to_all")
    assert program.get(f"/v1/dead-letters/{letter_id}").json()["state"] == "dead"
    assert program.get("/v1/broadcasts", key="dead-all").json()["broadcasts"] == []


def test_a_dead_letter_whose_message_was_submitted_otherwise_is_sent(
    served: Served, program: Program
) -> None:
    body = {
        "account": "main",
        "content": api.TEXT,
        "audience": {"openids": api.people(2, seed="otherwise")},
    }

    def dead(source: LetterSource) -> str:
        text, reason = json.dumps({**body, "key": "otherwise"}), Message("error.dead.failed")
        return dead_letters.store_letter(
            served.engine,
            Letter(source=source, body=text, key="otherwise", account="main", reason=reason),
        )

    first = dead(LetterSource.CELERY)
    key = {"Idempotency-Key": "otherwise"}
    made = program.ask("POST", "/v1/broadcasts", body, headers=key).json()["id"]
    dropped = program.ask("POST", f"/v1/dead-letters/{first}/drop")
    second = dead(LetterSource.OUTBOX)
    listed = [one["id"] for one in program.get("/v1/dead-letters").json()["dead_letters"]]
    shown = program.get(f"/v1/dead-letters/{second}").json()

    assert dropped.json()["type"] == "/docs/errors#error.dead.is_sent"
    assert second not in listed
    assert (shown["state"], shown["broadcast_id"]) == ("sent", made)


def test_all_dead_letters_of_an_account_are_dropped_at_once(
    served: Served, program: Program
) -> None:
    def dead(key: str, account: str | None) -> str:
        reason = Message("error.request.missing", field="content")
        return dead_letters.store_letter(
            served.engine,
            Letter(source=LetterSource.CELERY, body=key, key=key, account=account, reason=reason),
        )

    def state(letter_id: str) -> object:
        return program.get(f"/v1/dead-letters/{letter_id}").json()["state"]

    # An account of nobody else's: other tests have letters of their own.
    mine, nobodys = dead("all-mine", "alone"), dead("all-nobodys", None)

    for wrong, field in [({}, "all"), ({"all": False}, "all"), ({"all": True, "x": 1}, "x")]:
        refused = program.ask("POST", "/v1/dead-letters/drop", wrong)
        assert (refused.status_code, refused.json()["field"]) == (422, field)
    done = program.ask("POST", "/v1/dead-letters/drop", {"all": True, "account": "alone"})
    limited = served.program("of-shop-key-0123")
    foreign = limited.ask("POST", "/v1/dead-letters/drop", {"all": True, "account": "alone"})

    assert done.json() == {"dropped": 1, "left": 0}
    assert (state(mine), state(nobodys)) == ("dropped", "dead")
    assert foreign.status_code == 404
    assert limited.ask("POST", "/v1/dead-letters/drop", {"all": True}).status_code == 200
    assert state(nobodys) == "dead"


def test_a_dead_letter_names_no_broadcast_of_an_account_that_the_key_is_not_good_for(
    served: Served, program: Program
) -> None:
    others = Message(
        "error.exclude.other_account", id="20260101-abcde", other="main", account="shop"
    )
    letter = Letter(source=LetterSource.CELERY, body="{}", key="k", account="shop", reason=others)
    where = f"/v1/dead-letters/{dead_letters.store_letter(served.engine, letter)}"

    def code(by: Program) -> str:
        return str(by.get(where).json()["reason"]["code"])

    assert code(program) == "error.exclude.other_account"
    assert code(served.program("of-shop-key-0123")) == "error.api.no_such_exclusion"


@pytest.mark.parametrize(
    "body",
    [
        "[" * 300 + "]" * 300,
        '"\\ud800"',
        '{"\\ud800": 1}',
        "9" * 30,
        "NaN",
        "1e999",
        "\ud800",
        "x\0",
        '"' + "a" * 4_100_000 + '"',
    ],
)
def test_a_dead_letter_that_few_could_read_as_json_is_shown_as_text(
    served: Served, program: Program, body: str
) -> None:
    reason = Message("error.dead.no_message", problem="it names no task")
    letter = Letter(source=LetterSource.CELERY, body=body, reason=reason)
    where = f"/v1/dead-letters/{dead_letters.store_letter(served.engine, letter)}"

    shown = program.get(where)

    assert (shown.status_code, shown.json()["body"]) == (200, letter.kept_body)
    assert program.ask("POST", f"{where}/retry").status_code == 409
    assert program.ask("POST", f"{where}/drop").json()["state"] == "dropped"


def test_pages_name_every_dead_letter_once_and_those_of_an_account_alone(
    served: Served, program: Program
) -> None:
    def dead(account: str | None, n: int) -> str:
        letter = Letter(
            source=LetterSource.CELERY,
            body=f"paged {account} {n}",
            account=account,
            reason=Message("error.request.missing", field="content"),
        )
        return dead_letters.store_letter(served.engine, letter)

    mine = [dead("shop", n) for n in range(5)]
    others = [dead(account, n) for account in ("main", None) for n in range(3)]

    def found(by: Program, **query: object) -> list[str]:
        pages = by.pages("/v1/dead-letters", limit=2, **query)
        assert all(len(page["dead_letters"]) == 2 for page in pages[:-1])
        letters = [one for page in pages for one in page["dead_letters"]]
        # Two of them may have come in one millisecond.
        moments = [(one["last_at"], one["id"]) for one in letters]
        assert moments == sorted(moments, reverse=True)
        return [one["id"] for one in letters]

    every = found(program)
    assert len(set(every)) == len(every)
    assert {*mine, *others} <= set(every)
    limited = served.program("of-shop-key-0123")
    assert found(limited) == found(limited, account="shop") == found(program, account="shop")
    assert set(found(limited)) & {*mine, *others} == set(mine)
    assert limited.get("/v1/dead-letters", account="main").status_code == 404
    for cursor in ("WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTE0OjAwIiwgIngiXQ==", "abc"):
        assert program.get("/v1/dead-letters", cursor=cursor).status_code == 422
