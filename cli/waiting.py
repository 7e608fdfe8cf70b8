"""``--wait`` and ``watch``: follow, report, and the exit status."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator

from sqlalchemy import Engine

from broadcast import report_json
from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.gates import blockers
from broadcast.reports import Report
from broadcast.text import t
from cli import absent, exits, output, report, ways
from cli.following import Followed, Lines, Progress, Until, follow
from models.ledger.reading import reports
from models.ledger.reading.in_flight import InFlight


def wait(engine: Engine, broadcast_id: str, *, until: Until, as_json: bool) -> int:
    """Follow a broadcast to its rest, print its report, and return the exit status.

    Ctrl-C leaves the broadcast running and says so.
    """
    try:
        with _progress() as progress:
            followed = follow(
                engine, broadcast_id, until=until, progress=progress, redis_problem=_redis_problem
            )
    except KeyboardInterrupt:
        output.note(t("following.interrupted", id=broadcast_id))
        if as_json:
            _show_json(engine, broadcast_id)
        return exits.INTERRUPTED
    except OutOfReachError as error:
        text = t("following.gave_up", text=str(error), id=broadcast_id)
        return output.fail(text, status=exits.OUT_OF_REACH)
    show(engine, followed.told, as_json=as_json)
    return exits.DONE if followed.good else _failed(followed)


def show(engine: Engine, told: Report, flown: Iterable[InFlight] = (), *, as_json: bool) -> None:
    """Print a report: in words, and with ``--json`` the object as well.

    Of *flown*, its calls under way, is told where it stands still or was cancelled: no stop reaches
    them any more.
    """
    under_way = [one for one in flown if one.driven and not blockers.is_driven(told)]
    repeats = reports.repeats(engine, told.id)
    skipped = reports.skipped(engine, told.id)
    out = [
        *ways.under_way(under_way, told.now), *absent.lines(told), *ways.lines(engine, told),
    ]  # fmt: skip
    for line in report.lines(told, repeats, skipped, ways=out):
        output.say(line)
    if as_json:
        output.show_json(report_json.as_json(told))


def until_of(word: str) -> Until:
    """Read ``--until``. Raises InputError."""
    try:
        return Until(word)
    except ValueError:
        raise InputError("error.usage.until", text=output.one_line(word)[:40]) from None


def _failed(followed: Followed) -> int:
    if followed.another_day:
        output.note(t("following.another_day", id=followed.told.id))
    return exits.FAILED


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    from cli.bar import Bar  # noqa: PLC0415 - rich is for terminals

    with Bar() as bar:
        yield bar


def _redis_problem() -> str | None:
    """Return what is wrong with Redis, without which no lane moves."""
    from cli.wiring.wechat import redis  # noqa: PLC0415 - most waits never come here

    try:
        redis().ping()
    except BroadcastError as error:
        return str(error)
    return None


def _show_json(engine: Engine, broadcast_id: str) -> None:
    with contextlib.suppress(OutOfReachError):
        output.show_json(report_json.as_json(reports.report(engine, broadcast_id)))
