"""The verbs that are counted, each by the door that its callers use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine

from tests.kit import foreign
from tests.kit.api import KEY, TEXT, Program
from tests.kit.endpoints import MASS_SEND
from tests.kit.pushes import TOKEN, Sender, event, finished, text
from tests.kit.receiver import SECRET, Receiver
from tests.statements import doors
from tests.statements.counting import Counted
from tests.statements.installation import ACCOUNT, Installation, entered

#: What WeChat takes in four calls.
MANY = 30_001
#: Each number of followers below is sent to in two.
IN_TWO = {"BROADCAST_BATCH_SIZE": "10"}


def of_a_long_list(here: Installation) -> None:
    """Send to a list of several calls, and look at what came of it."""
    with entered(here):
        words = ("send", "--openids", here.openids(MANY), "--text", "long", "--key", "K")
        sent = here.json(*words, verb="broadcast send, 30,001 OpenIDs")["id"]
        here.json(*words, verb="broadcast send, the same key again")
        here.plan(sent, verb="broadcast.plan, 30,001 OpenIDs in 4 calls")
        _tell_sections(here, here.drive(sent, verb="broadcast.send_batch, 4 calls accepted"))
        here.drive(sent, verb="broadcast.send_batch, nothing to do")
        _poll(here, "SENDING")
        here.command("status", verb="broadcast status")
        here.command("status", sent, verb="broadcast status ID")
        here.command("list", verb="broadcast list")
        here.command("audit", sent, verb="broadcast audit ID")
        here.command("audit", "--all", verb="broadcast audit --all")
        here.command("recipients", sent, "--set", "accepted", verb="broadcast recipients ID")
        here.command("follower", here.simulator.openids(1)[0], verb="broadcast follower OPENID")
        here.command("accounts", verb="broadcast accounts")
        _poll(here, "SEND_SUCCESS")


def _poll(here: Installation, status: str) -> None:
    """Ask for the results of the four calls; the simulator's own jobs end when they have run."""
    for job in here.simulator.jobs():
        here.simulator.force_job_status(job["msg_id"], status)
    here.pass_time(minutes=30)
    here.task("broadcast.poll_results", verb=f"broadcast.poll_results, 4 due, then {status}")
    asked = here.task("broadcast.settle", ACCOUNT, verb=f"broadcast.settle, 4 times {status}")
    here.table.note(f"  one {status}", asked.section("settle.answered", "settle.stored"))


def _tell_sections(here: Installation, lane: Counted) -> None:
    for section, after, until, nth in (
        ("up to the lease", "", "lane.leased", 1),
        ("next work, up to the pace", "lane.leased", "pace.taken", 1),
        ("claim", "pace.taken", "claim.committed", 1),
        ("record: accepted", "call.ended", "record.committed", 1),
        ("next work after a record", "record.committed", "pace.taken", 1),
        ("record: accepted, the last", "call.ended", "record.committed", 4),
        ("no more work, the lane given back", "record.committed", "slice.ended", 4),
        ("after the lane", "slice.ended", "", 1),
    ):
        here.table.note(f"  {section}", lane.section(after, until, nth=nth))


def of_other_audiences(here: Installation) -> None:
    """Send with people left out, to a tag and to all."""
    with entered(here):
        appid = here.simulator.account.appid
        tagged = here.simulator.openids(7)
        here.simulator.admin("POST", f"accounts/{appid}/tags/2", lines=tagged)
        left_out = ("--exclude", f"file:{here.openids(5, start=10)}")
        for whom, audience, words in (
            ("20 OpenIDs, 5 of them excluded", 20, left_out),
            ("to a tag", ("--tag", "2"), ()),
            ("to all", ("--to-all", "--yes-to-all"), ()),
        ):
            sent = here.send(audience, *words, verb=f"broadcast send, {whom}")
            here.plan(sent, verb=f"broadcast.plan, {whom}")
        here.drive(sent, verb="broadcast.send_batch, 3 broadcasts of a call each")


def of_a_person(here: Installation) -> None:
    """Stop and let go on."""
    with entered(here, **IN_TWO):
        sent = here.send(20, verb="broadcast send, 20 OpenIDs")
        here.plan(sent, verb="broadcast.plan, 20 OpenIDs in 2 calls")
        here.command("pause", sent, verb="broadcast pause")
        here.drive(sent, verb="broadcast.send_batch, paused")
        here.command("resume", sent, verb="broadcast resume")
        here.command("halt", verb="broadcast halt")
        here.command("unhalt", verb="broadcast unhalt")
        here.command("cancel", sent, verb="broadcast cancel")
        late = here.planned()
        here.pass_time(hours=1)
        here.drive(late, verb="broadcast.send_batch, held as late")
        here.command("resume", late, verb="broadcast resume, what was late")
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        at = here.send(20, "--at", tomorrow, verb="broadcast send --at")
        here.task("broadcast.launch_due", verb="broadcast.launch_due, at rest")
        here.pass_time(days=1)
        here.task("broadcast.launch_due", verb="broadcast.launch_due, 1 due")
        here.command("cancel", at, verb="broadcast cancel, unplanned")


def of_calls(here: Installation) -> None:
    """Record what calls end as, and what a person says of them."""
    with entered(here, **IN_TWO):
        sent = here.planned()
        doors.claims_are_too_old(are=True)
        back = here.call(sent)
        here.table.note("give back", back.section("claim.committed", "record.committed"))
        doors.claims_are_too_old(are=False)
        _answered(here, sent, "unknown", errcode=-1)
        here.pass_time(hours=24)
        here.task("broadcast.sweep", verb="broadcast.sweep, 1 batch in doubt since a day")
        _answered(here, sent, "refused", errcode=45002)
        here.command(
            "resolve",
            sent,
            "--batch",
            "1",
            "--not-sent",
            "--yes",
            verb="broadcast resolve --not-sent",
        )
        here.command("retry", sent, "--yes", verb="broadcast retry")
        here.command("cancel", sent)
        other = here.planned()
        _answered(here, other, "no calls left today", errcode=45009)
        here.drive(other, verb="broadcast.send_batch, the lane waits for the next day")


def _answered(here: Installation, sent: str, name: str, *, errcode: int) -> None:
    here.simulator.fault("errcode", errcode=errcode, when="before", count=1, path=MASS_SEND)
    lane = here.call(sent)
    here.table.note(f"record: {name}", lane.section("call.ended", "record.committed"))


def of_programs(here: Installation) -> None:
    """Submit as other programs do."""
    people = here.simulator.openids(20)
    with entered(here, BROADCAST_API_KEYS=KEY, **IN_TWO):
        with here.server("api", "--port", "0") as url:
            _by_http(here, Program(url=url, checks=False))
        with doors.Producer("shop") as shop:
            with here.counted("Producer.submit, 20 OpenIDs"):
                shop.submit(key="python", **foreign.request(people, text="python"))
            app = create_engine(here.url)
            with here.counted("Producer.post in the app's transaction"), app.begin() as transaction:
                shop.post(transaction, key="outbox", **foreign.request(people, text="outbox"))
            app.dispose()
        for verb in ("broadcast.submit_outbox, 1 waits", "broadcast.submit_outbox, at rest"):
            with here.counted(verb):
                doors.task("broadcast.submit_outbox")
                doors.end_deliveries()
        asked: dict[str, Any] = foreign.request(people, text="queue")
        here.task("broadcast.enqueue", verb="broadcast.enqueue, 20 OpenIDs", key="queue", **asked)


def _by_http(here: Installation, program: Program) -> None:
    people, of = here.simulator.openids(20), "/v1/broadcasts"
    program.get(of)
    with here.counted("POST /v1/broadcasts, 20 OpenIDs"):
        sent = program.submit(people, key="http").json()["id"]
    with here.counted("POST /v1/broadcasts, a list to come"):
        body = {"content": TEXT, "audience": {"upload": True}}
        awaited = program.ask("POST", of, body, headers={"Idempotency-Key": "list"}).json()["id"]
    many = "\n".join(here.simulator.openids(MANY)).encode()
    with here.counted("PUT /v1/broadcasts/ID/audience, 30,001 OpenIDs"):
        answer = program.ask(
            "PUT", f"{of}/{awaited}/audience", data=many, headers={"Content-Type": "text/csv"}
        )
    assert answer.ok, answer.text
    for method, path, name in (
        ("GET", of, of),
        ("GET", f"{of}/{sent}", f"{of}/ID"),
        ("POST", f"{of}/{sent}/pause", f"{of}/ID/pause"),
        ("POST", f"{of}/{sent}/cancel", f"{of}/ID/cancel"),
    ):
        with here.counted(f"{method} {name}"):
            answer = program.ask(method, path)
        assert answer.ok, answer.text


def of_pushes(here: Installation) -> None:
    """Store and handle what WeChat pushes."""
    settings = {"WECHAT_CALLBACK_TOKEN": TOKEN, "WECHAT_UNSUBSCRIBE_WORDS": "退订", **IN_TWO}
    with entered(here, **settings):
        here.drive(here.planned(40))
        jobs = here.simulator.jobs()
        people = here.simulator.openids(2)
        with here.server("callback", "--port", "0") as url:
            wechat = Sender(
                url=f"{url}/wechat/{ACCOUNT}/callback", appid=here.simulator.account.appid
            )
            for name, push in (
                ("the end of a job", finished(jobs[0]["msg_id"], total=10)),
                ("a follower who leaves", event("unsubscribe", openid=people[0])),
                ("a follower who asks out", text("退订", number=1, openid=people[1])),
            ):
                with here.counted(f"push stored: {name}"):
                    assert wechat.push(push).ok
                here.task("broadcast.handle_pushes", verb=f"broadcast.handle_pushes, {name}")
        here.task("broadcast.handle_pushes", verb="broadcast.handle_pushes, at rest")
        here.task("broadcast.poll_results", verb="broadcast.poll_results, none due")
        here.task("broadcast.sweep", verb="broadcast.sweep, at rest")
        here.task("broadcast.refresh_token", verb="broadcast.refresh_token")


def of_webhooks(here: Installation) -> None:
    """Tell a receiver of an end."""
    with (
        Receiver() as receiver,
        entered(
            here,
            BROADCAST_WEBHOOK_SECRETS=SECRET,
            BROADCAST_WEBHOOK_NETWORKS="127.0.0.0/8",
            WECHAT_NOTIFY_URL=receiver.url,
        ),
    ):
        lane = here.call(here.planned())
        last = lane.section("call.ended", "record.committed")
        here.table.note("record: accepted, the last, with a webhook", last)
        with here.counted(None) as counted:
            doors.task("broadcast.deliver_webhooks")
            receiver.until_posted(1)
            doors.end_deliveries()
        here.table.note("broadcast.deliver_webhooks, 1 due", counted.of_webhooks())


#: In the order of the table; each has a ledger of its own.
STORIES: tuple[Callable[[Installation], None], ...] = (
    of_a_long_list,
    of_other_audiences,
    of_a_person,
    of_calls,
    of_programs,
    of_pushes,
    of_webhooks,
)
