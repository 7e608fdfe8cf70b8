"""One run: play a schedule, heal, wait for rest, send once more, judge, settle, judge again."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from broadcast.errors import BroadcastError
from broadcast.rules.finish_events import EVENT
from broadcast.rules.states import BroadcastState
from broadcast.settings.program_settings import Settings
from models.ledger.steer import operator
from tests.chaos import ends, person, sendalls
from tests.chaos import schedule as schedules
from tests.chaos.actor import APPIDS, WHO, Actor
from tests.chaos.verdict import Finding, history, judge, lanes, leaves
from tests.kit.direct import submit
from tests.kit.wait import until

if TYPE_CHECKING:
    from broadcast.rules.accounts import Account
    from tests.chaos.schedule import Schedule
    from tests.chaos.site import Site
    from tests.kit.system import System

#: After everything is put back. At the smallest scale a window of 23 h and a day are 40 s.
REST_WITHIN_S = 120
#: A reply that was under way at the healing may stop its account still: so long that is lifted.
LATE_STOPS_S = 15
CANARY = 1_900
#: WeChat's three tries and a late push; and what a sweep finds of them.
ENDS_WITHIN_S = 60


@dataclass(slots=True)
class Outcome:
    """What became of a run."""

    schedule: Schedule
    findings: list[str] = field(default_factory=list)
    #: From healing to the rest of the last batch.
    recovery_s: float = 0.0
    took_s: float = 0.0
    #: How many batches ended in which state.
    states: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    #: How many sends to WeChat's own lists it took.
    sendalls: int = 0
    #: Batches that a person had to settle.
    doubts: int = 0

    @property
    def good(self) -> bool:
        """Whether the promise held."""
        return not self.findings

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        word = "kept" if self.good else "BROKEN"
        return (
            f"seed {self.schedule.seed}: {word}; {self.schedule.database}, "
            f"{len(self.schedule.faults)} faults, {states}, {self.calls} calls, "
            f"{self.sendalls} sends to WeChat's own lists, "
            f"{self.doubts} settled by a person, "
            f"at rest {self.recovery_s:.1f} s after the last fault, {self.took_s:.1f} s in all"
        )


def run(seed: int, site: Site) -> Outcome:
    """Run the schedule of *seed* on *site*."""
    outcome = Outcome(schedules.draw(seed))
    began_s = time.monotonic()
    try:
        with site.installation(outcome.schedule) as system:
            _play(outcome, Actor(outcome.schedule, site, system, _accounts(system)))
    except Exception:  # noqa: BLE001 - a run that ends by a surprise must leave its seed, too
        # The audit, with which every installation ends, or a surprise.
        outcome.findings.append(traceback.format_exc())
    outcome.took_s = time.monotonic() - began_s
    return outcome


def _play(outcome: Outcome, actor: Actor) -> None:
    try:
        actor.play()
        actor.heal()
        _recover(outcome, actor.system, actor.broadcasts)
        _canaries(actor)
    except AssertionError as error:
        # Nothing rests, or a lane is dead: the verdict tells the rest.
        outcome.findings.append(str(error))
    _judge(outcome, actor)
    if outcome.good:
        _settle_ends(outcome, actor)
    if outcome.good:
        _settle_doubts(outcome, actor)
    if not outcome.good:
        outcome.findings += [*lanes(actor.system.engine), *_logs(actor.system)]


def _settle_ends(outcome: Outcome, actor: Actor) -> None:
    """Wait for the pushes that are under way, and see that none that was answered is lost."""
    simulator = actor.site.simulator

    def pushed() -> list[str]:
        pushes = [one for one in simulator.pushes(event=EVENT) if one["appid"] in APPIDS.values()]
        on_the_way = {"waiting", "under way"} & {one["state"] for one in pushes}
        return ["a push is on its way"] if on_the_way else ends.lost(actor.system.engine, pushes)

    try:
        until(lambda: not pushed(), ENDS_WITHIN_S, "every end that WeChat pushed to be kept")
    except AssertionError as error:
        outcome.findings += [str(error), *pushed()]
    outcome.findings += ends.miscounted(actor.system.engine, simulator.jobs())


def _settle_doubts(outcome: Outcome, actor: Actor) -> None:
    """Let a person settle what is in doubt, and judge once more: now nothing is left open."""
    try:
        outcome.doubts = person.settle(actor.system, actor.site.simulator, who=WHO)
    except (AssertionError, BroadcastError) as error:
        outcome.findings.append(f"after a person's word: {error}")
    if outcome.doubts or not outcome.good:
        _judge(outcome, actor)


def _accounts(system: System) -> dict[str, Account]:
    file = system.env["BROADCAST_ACCOUNTS_FILE"]
    return Settings(BROADCAST_ACCOUNTS_FILE=file).accounts()


def _recover(outcome: Outcome, system: System, broadcasts: list[str]) -> None:
    healed_s = time.monotonic()

    def at_rest() -> bool:
        if time.monotonic() < healed_s + LATE_STOPS_S:
            operator.unhalt(system.engine, None, who=WHO)
        return all(person.rests(system.report(one)) for one in broadcasts)

    until(at_rest, REST_WITHIN_S, "every batch to rest")
    outcome.recovery_s = time.monotonic() - healed_s


def _canaries(actor: Actor) -> None:
    """Send once more on every lane: none may be dead."""
    made = {}
    for name, account in actor.accounts.items():
        openids = actor.site.simulator.openids(4, start=CANARY, appid=APPIDS[name])
        broadcast_id = submit(
            actor.system.engine, account, openids, key=f"canary-{name}", batch_size=2, text="啾"
        )
        made[name] = broadcast_id
        actor.lists[broadcast_id] = openids
    for name, broadcast_id in made.items():
        until(partial(_completed, actor, broadcast_id), 30, f"the lane of {name} to be alive")


def _completed(actor: Actor, broadcast_id: str) -> bool:
    return actor.system.report(broadcast_id).state is BroadcastState.COMPLETED


def _judge(outcome: Outcome, actor: Actor) -> None:
    engine, simulator = actor.system.engine, actor.site.simulator
    delivered = {name: simulator.ledger_dump(appid) for name, appid in APPIDS.items()}
    batches, jobs = leaves(engine), sendalls.jobs_of(simulator.jobs(), APPIDS)
    by_list = sendalls.taken_off(delivered, batches, jobs, members=actor.own_lists)
    findings: list[Finding] = judge(batches, actor.lists, by_list)
    findings += sendalls.judge(batches, jobs, actor.own_lists)
    for finding in findings:
        outcome.findings += [str(finding), *history(engine, finding)]
    outcome.states = dict(Counter(str(leaf.state) for leaf in batches))
    outcome.sendalls = len(jobs)
    outcome.calls = len(simulator.mass_calls())


def _logs(system: System) -> list[str]:
    return [f"--- {process.log.name}\n{process.output[-3000:]}" for process in system.processes]
