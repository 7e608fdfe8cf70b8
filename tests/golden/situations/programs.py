"""What programs ask for: by HTTP, by `broadcast send`, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from broadcast.rules.dead_letters import Letter, LetterSource
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.ledger.boxes import dead_letters, webhooks
from models.ledger.lists import suppressions
from tests.golden.scene import TICK, Scene
from tests.golden.situations import situation
from tests.golden.situations.calls import OK
from tests.kit import api, follows
from tests.kit.ledger import LOST, openids

PEOPLE: Final = api.people(5, seed="golden")
GOOD: Final[dict[str, Any]] = {
    "account": "default",
    "content": api.TEXT,
    "audience": {"openids": PEOPLE},
}
FAR: Final = "2037-01-05 20:00"


def submit(scene: Scene, key: str, /, **members: Any) -> Any:
    """Ask for a broadcast by HTTP."""
    headers = {"Idempotency-Key": key}
    return scene.http("POST", "/v1/broadcasts", {**GOOD, **members}, headers=headers)


@situation
def submitted(scene: Scene) -> None:
    made = submit(scene, "order-1", title="周五", priority=3, at=FAR)
    submit(scene, "order-1", title="周五", priority=3, at=FAR)
    scene.look(made["id"])


@situation
def submitted_with_lines_that_are_skipped(scene: Scene) -> None:
    lines = [*PEOPLE, PEOPLE[0], "wrong", "", PEOPLE[1]]
    made = submit(scene, "order-1", audience={"openids": lines})
    scene.look(made["id"])


@situation
def submitted_to_be_narrowed(scene: Scene) -> None:
    suppress(scene, PEOPLE[:1])
    other = submit(scene, "earlier", audience={"openids": PEOPLE[:3]})
    follows.listed(scene.engine, "default", PEOPLE[1:4], at=scene.clock.now)
    submit(scene, "excluding", exclude=[f"broadcast:{other['id']}"])
    submit(scene, "current", only_current=True, again=True)
    submit(scene, "sampled", sample="3", again=True)
    submit(scene, "everybody", ignore_suppression=True, again=True)
    submit(scene, "later", exclude=[f"broadcast:{other['id']}"], at=FAR, again=True)
    submit(scene, "tagged", exclude=["tag:102"], again=True)
    submit(scene, "followers", audience={"followers": True})
    submit(scene, "bearers", audience={"followers": True}, with_tag=102)
    scene.cli("list")


@situation
def cancelled_before_it_was_narrowed(scene: Scene) -> None:
    submit(scene, "earlier", audience={"openids": PEOPLE[:2]})
    follows.listed(scene.engine, "default", PEOPLE, at=scene.clock.now)
    made = submit(scene, "order-1", sample="3", only_current=True)
    scene.http("POST", f"/v1/broadcasts/{made['id']}/cancel")
    scene.look(made["id"])
    scene.http("GET", f"/v1/broadcasts/{made['id']}/recipients?set=cancelled")


def suppress(scene: Scene, people: list[str]) -> None:
    """Put people on the suppression list."""
    word = SuppressionSource(kind=SuppressionKind.PERSON, who="tests", why="asked")
    suppressions.suppress(scene.engine, people, word, account="default")


@situation
def key_used_for_another_body(scene: Scene) -> None:
    submit(scene, "order-1")
    submit(scene, "order-1", title="other")
    submit(scene, "order-1", content={"msgtype": "text", "text": {"content": "other"}})
    submit(scene, "order-1", audience={"openids": PEOPLE[:3]})
    submit(scene, "order-1", late_by="1h")


@situation
def same_content_under_another_key(scene: Scene) -> None:
    submit(scene, "order-1")
    submit(scene, "order-2")
    submit(scene, "order-2", again=True)


@situation
def to_all_by_http(scene: Scene) -> None:
    submit(scene, "1", audience={"to_all": True})
    submit(scene, "2", audience={"to_all": True, "confirm_to_all": "shop"})
    made = submit(scene, "3", audience={"to_all": True, "confirm_to_all": "default"})
    submit(scene, "4", audience={"group_id": 2})
    suppress(scene, PEOPLE[:2])
    submit(scene, "5", audience={"tag_id": 2})
    scene.look(made["id"])


_WRONG: Final[tuple[dict[str, Any], ...]] = (
    {"adience": 1},
    {"audience": {"openids": PEOPLE, "tag_id": 2}},
    {"audience": None},
    {"audience": {"openids": PEOPLE[:1]}},
    {"audience": {"openids": ["x", "y"]}},
    {"audience": {"openids": ["", " "]}},
    {"audience": {"openids": [*PEOPLE, 7]}},
    {"audience": {"openids": []}},
    {"audience": {"upload": 1}},
    {"audience": []},
    {"content": {}},
    {"content": {"msgtype": "telegram"}},
    {"content": None},
    {"content": {"msgtype": "text", "text": {"content": " "}}},
    {"content": {"msgtype": "text", "text": {"content": "x"}, "image": {"media_id": "y"}}},
    {"at": "2020-01-01 10:00"},
    {"at": "tomorrow"},
    {"at": 7},
    {"title": "a\nb"},
    {"title": ""},
    {"priority": 101},
    {"priority": "1"},
    {"again": "yes"},
    {"exclude": ["file:x"]},
    {"exclude": ["broadcast:nobody"]},
    {"exclude": "tag:2"},
    {"sample": "1"},
    {"sample": "0%"},
    {"with_tag": 2},
    {"late_by": "7"},
    {"notify": {"url": "ftp://x"}},
    {"notify": "x"},
    {"spread_days": 1},
    {"account": "nobody"},
    {"key": "x"},
)


@situation
def wrong_members(scene: Scene) -> None:
    for n, members in enumerate(_WRONG):
        submit(scene, f"wrong-{n}", **members)
    scene.http("GET", "/v1/broadcasts")


@situation
def wrong_requests(scene: Scene) -> None:
    program = scene.doors.program
    stranger = dataclasses.replace(program, key=None)
    scene.http("GET", "/v1/broadcasts", program=stranger)
    scene.http("GET", "/v1/broadcasts", program=dataclasses.replace(program, key="nobodys-key-01"))
    scene.http("POST", "/v1/broadcasts", GOOD)
    scene.http("POST", "/v1/broadcasts", GOOD, headers={"Idempotency-Key": "k" * 129})
    headers = {"Idempotency-Key": "x", "Content-Type": "application/json"}
    scene.http("POST", "/v1/broadcasts", headers=headers, data=b"{")
    scene.http("POST", "/v1/broadcasts", headers=headers, data=b"[]")
    scene.http("POST", "/v1/broadcasts", headers={**headers, "Content-Type": "text/xml"}, data=b"x")
    scene.http("GET", "/v1/broadcasts/20260101-aaaaaa")
    scene.http("GET", "/v1/broadcasts?limit=x")
    scene.http("GET", "/v1/broadcasts?state=sent")
    scene.http("GET", "/v1/broadcasts?cursor=x")
    scene.http("GET", "/v1/nothing")
    scene.http("DELETE", "/v1/broadcasts")
    scene.http("GET", "/v1/accounts")
    scene.http("POST", "/v1/accounts/nobody/halt")
    scene.http("POST", "/v1/broadcasts/20260101-aaaaaa/pause")
    scene.http("GET", "/healthz")
    scene.http("GET", "/readyz")


@situation
def plans(scene: Scene) -> None:
    scene.http("POST", "/v1/plans", GOOD)
    scene.http("POST", "/v1/plans", {**GOOD, "audience": {"followers": True}})
    scene.http("POST", "/v1/plans", {**GOOD, "audience": {"tag_id": 2}})
    scene.http("POST", "/v1/plans", {**GOOD, "title": ""})
    suppress(scene, PEOPLE[:2])
    scene.http("POST", "/v1/plans", GOOD)
    submit(scene, "order-1")
    scene.http("POST", "/v1/plans", GOOD)
    scene.http("GET", "/v1/broadcasts")


@situation
def dry_run(scene: Scene) -> None:
    file = listed(openids(20))
    words = ["send", "--account", "default", "--text", "Live on Friday", "--dry-run"]
    scene.cli(*words, "--openids", file, status=None)
    scene.begin()
    scene.call(OK)
    scene.cli(*words, "--openids", file, status=None)
    scene.cli(*words, "--followers", status=None)
    scene.cli(*words, "--tag", "2", "--ignore-suppression", status=None)


@situation
def sent_by_a_command(scene: Scene) -> None:
    file = listed([*openids(20), "wrong", openids(1)[0]])
    words = ["send", "--account", "default", "--openids", file, "--key", "order-1"]
    made = scene.cli(*words, "--text", "Live on Friday", "--at", FAR, "--title", "x", status=None)
    scene.cli(*words, "--text", "Live on Friday", "--at", FAR, "--title", "x", status=None)
    scene.cli(*words, "--text", "Live on Monday", status=None)
    scene.cli(*words[:-1], "order-2", "--text", "Live on Friday", "--at", FAR, status=None)
    scene.cli("send", "--account", "default", "--text", "x", status=None)
    scene.cli("send", "--account", "default", "--to-all", "--text", "x", status=None)
    scene.look(made["id"])


def listed(people: list[str]) -> str:
    """Write a list; return its name."""
    Path("list.txt").write_text("\n".join(people), "utf-8")
    return "list.txt"


@situation
def list_that_comes_later(scene: Scene) -> None:
    made = submit(scene, "order-1", audience={"upload": True}, title="周五")
    submit(scene, "order-1", audience={"upload": True}, title="周五")
    scene.look(made["id"])
    where, plain = f"/v1/broadcasts/{made['id']}", {"Content-Type": "text/plain"}
    scene.http("POST", f"{where}/pause")
    put(scene, where, ["x", "y"], plain)
    put(scene, where, PEOPLE, {"Content-Type": "application/json"})
    put(scene, where, PEOPLE, plain)
    put(scene, where, PEOPLE[::-1], plain)
    put(scene, where, PEOPLE[1:], plain)
    scene.look(made["id"])


def put(scene: Scene, where: str, people: list[str], headers: dict[str, str]) -> None:
    """Upload a list."""
    data = "\n".join(people).encode()
    scene.http("PUT", f"{where}/audience", headers=headers, data=data)


@situation
def list_that_never_comes(scene: Scene) -> None:
    made = submit(scene, "order-1", audience={"upload": True}, at=FAR)
    scene.http("POST", f"/v1/broadcasts/{made['id']}/cancel", {"why": "no list"})
    scene.look(made["id"])
    put(scene, f"/v1/broadcasts/{made['id']}", PEOPLE, {"Content-Type": "text/plain"})


@situation
def controls_of_what_has_ended(scene: Scene) -> None:
    scene.begin()
    scene.call(OK)
    where = f"/v1/broadcasts/{scene.id}"
    for word in ("pause", "resume", "cancel", "retry"):
        scene.http("POST", f"{where}/{word}")
    scene.http("POST", f"{where}/resolve", {"batch": 1, "sent": True})
    scene.http("POST", f"{where}/resolve", {"batch": 9, "sent": True})
    scene.http("POST", f"{where}/resolve", {})
    scene.http("POST", f"{where}/pause", {"why": 7})


@situation
def doubt_resolved_by_http(scene: Scene) -> None:
    scene.begin()
    scene.in_doubt()
    where = f"/v1/broadcasts/{scene.id}"
    scene.http("POST", f"{where}/resume")
    scene.http("POST", f"{where}/resolve", {"batch": 1, "sent": False, "why": "not in the console"})
    scene.http("POST", f"{where}/retry")
    scene.http("POST", f"{where}/resolve", {"batch": 1, "sent": True, "msg_id": 77})
    scene.look()


@situation
def resumed_though_a_newer_one_went_out(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(OK)
    scene.pause()
    scene.driver = None
    scene.clock.pass_(timedelta(minutes=1))
    scene.begin()
    scene.call(OK)
    scene.cli("resume", scene.ids[0], status=None)
    scene.http("POST", f"/v1/broadcasts/{scene.ids[0]}/resume")
    scene.look(scene.ids[0])


@situation
def dead_letters_of_programs(scene: Scene) -> None:
    letters = {
        "good": letter("good"),
        "bad": letter("bad", at="2020-01-01 10:00"),
        "strange": letter("strange", account="nobody"),
        "away": letter("away"),
    }
    ids = {}
    for name, one in letters.items():
        scene.clock.pass_(TICK)
        ids[name] = dead_letters.store_letter(scene.engine, one)
    scene.cli("dead", "list")
    scene.cli("dead", "show", ids["bad"])
    scene.http("GET", "/v1/dead-letters")
    scene.http("GET", f"/v1/dead-letters/{ids['bad']}")
    for name in ("good", "bad", "strange"):
        scene.http("POST", f"/v1/dead-letters/{ids[name]}/retry")
    scene.http("POST", f"/v1/dead-letters/{ids['away']}/drop")
    scene.http("POST", f"/v1/dead-letters/{ids['away']}/retry")
    scene.cli("dead", "retry", ids["bad"], status=None)
    scene.http("POST", "/v1/dead-letters/drop", {"ids": [ids["bad"]]})
    scene.cli("dead", "drop", "--all", status=None)
    scene.http("GET", "/v1/dead-letters?closed=true")


def letter(key: str, **members: object) -> Letter:
    """Return a letter of a message that named no content."""
    body = {"key": key, **GOOD, **members}
    return Letter(
        source=LetterSource.CELERY,
        body=json.dumps(body),
        key=key,
        account=str(body["account"]),
        reason=Message("error.request.missing", field="content"),
    )


@situation
def webhook_given_up(scene: Scene) -> None:
    scene.begin()
    scene.cancel()
    taken = webhooks.reserve_next_event(scene.engine, busy=(), put_off=timedelta(minutes=1))
    assert taken is not None
    down = Message("webhook.problem.unanswered", reason=Message("transport.read_timeout"))
    webhooks.mark_failed(scene.engine, taken, down, http_status=None, waits=Waits(), is_final=True)
    scene.cli("webhooks", "list")
    scene.http("GET", "/v1/webhooks")
    scene.http("GET", f"/v1/webhooks/{taken.event_id}")
    scene.cli("webhooks", "retry", taken.event_id)
    scene.http("POST", f"/v1/webhooks/{taken.event_id}/retry")
    scene.http("POST", "/v1/webhooks/20260101-aaaaaa-1/retry")
    scene.told()


@situation
def suppressed_followers(scene: Scene) -> None:
    one, *_ = PEOPLE
    scene.cli("suppress", "add", one, "--account", "default", "--why", "complained")
    scene.cli("suppress", "add", one, "--account", "default")
    scene.cli("suppress", "list", "--account", "default")
    scene.cli("follower", one, "--account", "default")
    scene.cli("suppress", "remove", one, "--account", "default")
    scene.cli("followers", "--account", "default")


@situation
def keys_of_programs(scene: Scene) -> None:
    scene.cli("api-keys", "new", "crm", "--scope", "read", "--account", "default", status=None)
    scene.cli("api-keys", "list")


@situation
def audit_that_finds_something(scene: Scene) -> None:
    scene.begin(batches=2)
    scene.call(OK)
    scene.call(LOST)
    with scene.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET clientmsgid = 'changed' WHERE n = 1")
    scene.cli("audit", scene.id, status=None)
    scene.http("GET", f"/v1/broadcasts/{scene.id}/audit")


@situation
def bad_usage(scene: Scene) -> None:
    scene.cli("status", "20260101-aaaaaa", status=None)
    scene.cli("pause", status=None)
    scene.cli("resolve", "20260101-aaaaaa", "--batch", "x", "--sent", status=None)
    scene.cli("explain", "45028")
    scene.cli("accounts")
    scene.cli("list")
    scene.cli("status", status=None)
