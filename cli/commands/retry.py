"""``broadcast retry ID``: what was definitely refused, or never called, once more."""

from __future__ import annotations

from collections.abc import Iterator

from broadcast.call.retry import RetryVerdict
from broadcast.call.waits import Waits
from broadcast.reports import Report
from broadcast.text import t
from cli import output, ways, words
from cli.commands.options import BroadcastID, Why, new_app
from cli.commands.steering import remains
from cli.group import Command
from cli.wiring.database import engine, settings
from cli.wiring.person import in_one_line, who
from models.ledger import retries
from models.ledger.reading import in_flight
from models.ledger.reading.retry_verdicts import RetryGroup
from models.ledger.retries import Goes, Retried

app = new_app()


@app.command(cls=Command, help=t("help.retry"))
def retry(*, broadcast_id: BroadcastID, why: Why = None) -> None:
    """Call again what WeChat refused for a reason that may pass; never what may have been sent."""
    ledger = engine()
    done = retries.retry(
        ledger, broadcast_id, who=who(), why=in_one_line(why),
        waits=Waits(settings().wait_scale),
    )  # fmt: skip
    told, flown = in_flight.beside_report(ledger, broadcast_id)
    for line in lines(told, done):
        output.say(line)
    remains(ledger, told, flown)


def lines(told: Report, done: Retried) -> Iterator[str]:
    """Yield what was put back, whether the broadcast goes on, and what was left and why."""
    broadcast_id = told.id
    again = done.of(RetryVerdict.AGAIN)
    if again:
        yield t(f"retry.again{_suffix(again)}", id=broadcast_id, **_who(again))
    else:
        yield t("retry.nothing", id=broadcast_id)
    if done.forgotten:
        yield t(
            f"retry.forgotten{words.suffix(len(done.forgotten))}",
            numbers=words.shortened(sorted(done.forgotten)),
            age=words.span(min(done.forgotten.values())), id=broadcast_id,
        )  # fmt: skip
    stands = done.goes in {Goes.ON, Goes.ALREADY} and told.lane.stands_still
    goes = "on_standing" if stands else done.goes
    yield t(f"retry.goes.{goes}", id=broadcast_id, account=told.account)
    if done.goes is Goes.ON and (never := done.of(RetryVerdict.NEVER_CALLED)):
        yield t(f"retry.never_called{_suffix(never)}", **_who(never))
    for group in done.placed:
        if group.place not in {RetryVerdict.AGAIN, RetryVerdict.NEVER_CALLED}:
            yield _left(group, broadcast_id)


def _left(group: RetryGroup, broadcast_id: str) -> str:
    return t(
        f"retry.left.{group.place}{_suffix([group])}", reason=words.reason(group.reason),
        code=words.code(group.errcode, None), id=broadcast_id, **_who([group]),
    )  # fmt: skip


def _suffix(groups: list[RetryGroup]) -> str:
    return words.suffix(sum(len(group.numbers) for group in groups))


def _who(groups: list[RetryGroup]) -> dict[str, str]:
    """Return of which batches, and of how many followers, something is said."""
    numbers, followers = ways.together(groups)
    return {"numbers": numbers, "followers": f"{followers:,}"}
