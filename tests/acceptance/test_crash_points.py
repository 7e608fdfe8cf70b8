"""A process dies exactly there, and somebody always knows: the table of crash points, proved."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil
import pytest

from broadcast import names
from broadcast.crashpoints import VARIABLE, Point
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import Phase
from models.ledger.views import broadcast_reports
from tests.acceptance.crash_table import (
    CLAIMED,
    FILES,
    LAUNCHES,
    NAP,
    SUBMIT,
    UNHURT,
    WOKEN,
    WORKER,
    Course,
    Fate,
    Row,
    SubmitRow,
    WokenRow,
    markdown,
)
from tests.acceptance.crash_trial import (
    DIES_WITHIN_S,
    Case,
    Database,
    Installation,
    Made,
    Measured,
    Site,
    count,
    judge,
    measure,
    on_course,
    wait_for_end,
)
from tests.kit.endpoints import MASS_GET, TOKENS
from tests.kit.wait import until
from tests.servers.fixtures import DATABASES

if TYPE_CHECKING:
    from tests.kit.processes import RunningProcess
    from tests.servers.mariadb import MariaDB
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey

ROOT = Path(__file__).parents[2]
#: Longer than a claim may be old (0.3 s), and much shorter than a lease.
NAP_S = 0.6


class OpenSite(Protocol):
    """Opens a site for so many cases on these databases."""

    def __call__(self, databases: Sequence[str], *, cases: int) -> Site:
        """Open it."""


@pytest.fixture
def open_site(tmp_path: Path, valkey: Valkey, request: pytest.FixtureRequest) -> Iterator[OpenSite]:
    """A factory of sites that close with the test, with the databases of their cases."""
    with ExitStack() as stack:

        def start(databases: Sequence[str], *, cases: int) -> Site:
            made = {database: _database(request, database) for database in databases}
            return stack.enter_context(Site(tmp_path, valkey=valkey, databases=made, cases=cases))

        yield start


def _database(request: pytest.FixtureRequest, kind: str) -> Database:
    if kind == "sqlite":
        return lambda: contextlib.nullcontext("")
    server: PostgreSQL | MariaDB = request.getfixturevalue(kind)

    @contextlib.contextmanager
    def fresh() -> Iterator[str]:
        url = server.fresh_database()
        try:
            yield url
        finally:
            server.drop_database(url)

    return fresh


# A worker dies.


def die_working(site: Site, *, row: Row, fate: Fate, database: str) -> Measured:
    """Let a worker die, replace it by a normal one, and look."""

    def run(measured: Measured) -> None:
        with site.installation(database, calls_per_minute=row.calls_per_minute) as here:
            here.order(fate)
            broadcast_id = here.submit()
            settles = row.questions is not None
            tasks = (names.SWEEP, names.POLL_RESULTS) if settles else (names.SWEEP,)
            with site.starting():
                doomed = here.worker(ready=True, **_doom(row))
            _see_it_die(here, doomed, row, polled=settles)
            over = here.finished if settles else here.completed
            with site.starting():
                replaced_s = time.monotonic()
                here.worker()
            with here.beat_wakes(*tasks):
                measured.recovered_s = wait_for_end(here, broadcast_id, replaced_s, over=over)
            judge(measured, here, broadcast_id, course=_course(row, fate, doomed))
            measured.expect("requests for a token", count(here, *TOKENS), row.tokens)
            if row.questions is not None:
                measured.expect("questions to mass/get", count(here, MASS_GET), row.questions)

    return measure((row.point.value, database, fate.value), run)


def _course(row: Row, fate: Fate, doomed: RunningProcess) -> Course:
    # What it died recording can be a claim that it gave back for being old, on a busy machine.
    given_back = row.point is Point.RECORD_WRITTEN and "was not called within" in doomed.output
    return (CLAIMED if given_back else row.courses)[fate]


def _see_it_die(here: Installation, doomed: RunningProcess, row: Row, *, polled: bool) -> None:
    # Only beat asks for results; before any other death its wakes would be more than was ordered.
    with here.beat_wakes(*((names.POLL_RESULTS,) if polled else ())):
        status = doomed.wait(timeout_s=DIES_WITHIN_S)
    assert status == -signal.SIGKILL, f"exit {status}\n{doomed.output[-2000:]}"
    assert f"SIGKILL at {row.point}\n" in doomed.output


# A command dies.


def die_submitting(site: Site, *, row: SubmitRow, database: str) -> Measured:
    """Let a command die, give it again, and look."""

    def run(measured: Measured) -> None:
        with site.installation(database) as here:
            with site.starting():
                died = _send(here, row, status=-signal.SIGKILL, crash=True)
            assert f"SIGKILL at {row.point}\n" in died
            left = {report.id: report.phase for report in broadcast_reports.reports(here.engine)}
            measured.expect("what it left", len(left), int(row.portions or row.published))
            with site.starting():
                told = json.loads(_send(here, row, status=0))
            # Whoever dies before the flip has promised nothing; after it the key has its broadcast.
            is_open = row.portions and not row.published
            measured.expect("the upload", Phase.UPLOADING in left.values(), is_open)
            measured.expect("the broadcast of the key", told["id"] in left, row.published)
            with site.starting():
                began_s = time.monotonic()
                here.worker()
            with here.beat_wakes(names.SWEEP):
                measured.recovered_s = wait_for_end(here, told["id"], began_s)
            judge(measured, here, told["id"], course=UNHURT[Fate.ARRIVED])

    how = "in portions" if row.portions else "whole"
    return measure((row.point.value, how, database), run)


def _doom(row: Row) -> dict[str, str]:
    """The environment of a worker that is to die, with one thread where others would go on."""
    order = {VARIABLE: f"{row.point}:{row.nth}"}
    # The next slice, which was just woken for, would be in its first call when the worker dies.
    return order | ({"BROADCAST_CONCURRENCY": "1"} if row.point is Point.TASK_ENDED else {})


def _send(here: Installation, row: SubmitRow, *, status: int, crash: bool = False) -> str:
    file, others = here.folder / "list.txt", here.folder / "others.txt"
    file.write_text("\n".join(here.openids) + "\n", encoding="ascii")
    # A second list goes in portions whatever its length; it takes nobody out.
    others.write_text("oNobodyOfThem000000000000000\n", encoding="ascii")
    more = ("--exclude", f"file:{others}") if row.portions else ()
    if crash:
        here.env[VARIABLE] = row.point
    try:
        done = here.broadcast(
            "send",
            "--openids",
            file,
            *more,
            "--text",
            "您好",
            "--key",
            "K",
            "--json",
            status=status,
        )
    finally:
        here.env.pop(VARIABLE, None)
    return done.stderr if crash else done.stdout.splitlines()[-1]


# A worker is stopped, and wakes up.


def wake_late(site: Site, *, row: WokenRow, fate: Fate, database: str) -> Measured:
    """Stop a worker past its lease, let another finish, wake the first, and look."""

    def run(measured: Measured) -> None:
        with site.installation(database) as here:
            here.order(fate)
            broadcast_id = here.submit()
            with site.starting():
                first = _stopped(here, row.point)
            with site.starting():
                joined_s = time.monotonic()
                here.worker()
            with here.beat_wakes(names.SWEEP):
                measured.recovered_s = wait_for_end(here, broadcast_id, joined_s)
                asleep = on_course(here.made(broadcast_id), (None,))
                measured.expect("first attempt while it sleeps", asleep[0], None)
                _wake(here, first, broadcast_id)
            judge(measured, here, broadcast_id, course=row.courses[fate])

    return measure((row.point.value, "stopped, woken late", database, fate.value), run)


def nap(site: Site, *, database: str) -> Measured:
    """Stop a worker for longer than a claim may be old, wake it within its lease, and look."""

    def run(measured: Measured) -> None:
        with site.installation(database) as here:
            broadcast_id = here.submit()
            with site.starting():
                only = _stopped(here, Point.CLAIM_COMMITTED)
            awake_s = time.monotonic() + NAP_S
            until(lambda: time.monotonic() > awake_s, 2 * NAP_S + 1, "the end of the nap")
            _wake(here, only, broadcast_id, stop=False)
            measured.recovered_s = wait_for_end(here, broadcast_id, awake_s)
            judge(measured, here, broadcast_id, course=NAP)

    return measure((Point.CLAIM_COMMITTED.value, "stopped for a moment", database), run)


def _stopped(here: Installation, point: Point) -> RunningProcess:
    process = here.worker(ready=False, **{VARIABLE: f"{point}:1:STOP"})
    state = psutil.Process(process.pid)
    until(lambda: state.status() == psutil.STATUS_STOPPED, DIES_WITHIN_S, f"the stop at {point}")
    assert f"SIGSTOP at {point}\n" in process.output
    return process


def _wake(
    here: Installation, sleeper: RunningProcess, broadcast_id: str, *, stop: bool = True
) -> None:
    sleeper.thaw()
    until(lambda: None not in here.attempts(broadcast_id), 30, "the sleeper's own record")
    if stop:
        # It ends when its slice has: whatever it may still have called, it has called by then.
        assert sleeper.stop(timeout_s=40) == 0


# The proofs.


def working(database: str, *fates: Fate) -> list[Case]:
    """Return the cases of the workers' table; those that wait long come first."""
    rows = sorted(WORKER, key=lambda row: not (row.waits_long or row.calls_per_minute))
    return [
        partial(die_working, row=row, fate=fate, database=database)
        for row in rows
        for fate in fates
    ]


def submitting(database: str) -> list[Case]:
    """Return the cases of the commands' table."""
    return [partial(die_submitting, row=row, database=database) for row in SUBMIT]


def woken(database: str, *fates: Fate) -> list[Case]:
    """Return the cases of the stopped workers' table, and the short stop."""
    late = [
        partial(wake_late, row=row, fate=fate, database=database) for row in WOKEN for fate in fates
    ]
    return [*late, partial(nap, database=database)]


@pytest.mark.timeout(1_200)
def test_worker_that_dies_anywhere_while_the_reply_is_lost_doubles_and_loses_nobody(
    open_site: OpenSite,
) -> None:
    # Every other point; `make prove` has the whole table.
    _hold(open_site, "sqlite", working("sqlite", Fate.LOST)[::2])


@pytest.mark.timeout(1_200)
def test_command_that_dies_anywhere_has_stored_all_or_nothing(open_site: OpenSite) -> None:
    _hold(open_site, "sqlite", submitting("sqlite"))


@pytest.mark.timeout(1_200)
def test_worker_that_sleeps_past_its_lease_neither_calls_nor_loses_its_reply(
    open_site: OpenSite,
) -> None:
    _hold(open_site, "sqlite", woken("sqlite", Fate.ARRIVED))


@pytest.mark.prove
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("database", DATABASES)
def test_the_whole_table_of_crash_points(
    open_site: OpenSite, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [*working(database, *Fate), *submitting(database), *woken(database, *Fate)]

    measured = _hold(open_site, database, cases)

    with capsys.disabled():
        print("", *sorted(map(str, measured), key=_in_order), sep="\n")


def _hold(open_site: OpenSite, database: str, cases: Sequence[Case]) -> list[Measured]:
    """Run the cases; fail with every line that is not as in the table."""
    site = open_site([database], cases=len(cases))
    measured = site.side_by_side(cases)
    broken = [str(one) for one in measured if one.findings]
    assert not broken, "\n".join(broken)
    return measured


def _in_order(line: str) -> int:
    return list(Point).index(Point(line.split(maxsplit=1)[0]))


def test_a_busy_machine_adds_claims_that_grew_old_to_a_course_and_no_others() -> None:
    old, quick = (Made(Outcome.NOT_CALLED, timedelta(seconds=s)) for s in (0.4, 0.1))
    lost, again = (Made(outcome, timedelta(seconds=1)) for outcome in UNHURT[Fate.LOST].attempts)

    for course in (UNHURT, CLAIMED):
        whole = course[Fate.LOST].attempts
        dead = [Made(None, timedelta(0))] * (len(whole) - 2)
        assert on_course([old, *dead, old, lost, again], whole) == whole
        assert on_course([*dead, quick, lost, again], whole) != whole
        assert on_course([*dead, lost, old], whole) != whole
    assert on_course([old, old, lost], (Outcome.NOT_CALLED, lost.outcome)) == (
        Outcome.NOT_CALLED,
        lost.outcome,
    )
    assert on_course([lost], (Outcome.NOT_CALLED, lost.outcome)) == (lost.outcome,)


def test_the_table_has_every_point_and_every_fate() -> None:
    told = [row.point for row in (*WORKER, *SUBMIT, *FILES, *LAUNCHES)]

    assert set(told) == set(Point)
    for row in (*WORKER, *WOKEN):
        assert set(row.courses) == set(Fate)


def test_the_documentation_shows_the_table_that_is_proved() -> None:
    shown = (ROOT / "docs" / "proofs" / "crash-points.md").read_text(encoding="utf-8")

    assert "\n".join(markdown()) in shown
