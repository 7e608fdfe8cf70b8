"""The administrator's word on sends to all of an account with 群发保护 (section 5.1).

WeChat takes the call, and the job waits: confirmed it is sent, refused or after 30 minutes it ends
with err(40001) or err(40002), and nobody got it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from simulator.core.world import World
from simulator.endpoints.mass.jobs import Job

Answer: TypeAlias = Literal["yes", "no", "none"]
_ENDS = {"no": "err(40001)", "none": "err(40002)"}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job that waits: what sends it, and what ends it; both are given the moment."""

    job: Job
    go: Callable[[float], None]
    end: Callable[[float], None]


class Confirmations:
    """The jobs that wait for an administrator."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: dict[int, _Waiting] = {}

    def ask(self, job: Job, *, go: Callable[[float], None], end: Callable[[float], None]) -> None:
        """Let a job wait; switches may order the answer."""
        switches, now = self._world.switches, self._world.now()
        job.awaits_administrator = True
        job.ends_at += switches.administrator_waits_s
        self._waiting[job.msg_id] = _Waiting(job, go, end)
        self._at(now + switches.administrator_waits_s, job, "none")
        if switches.administrator_answer != "none":
            at = now + switches.administrator_answers_after_s
            self._at(at, job, switches.administrator_answer)

    def _at(self, moment: float, job: Job, answer: Answer) -> None:
        self._world.scheduler.at(moment, partial(self._come, job.msg_id, answer))

    def _come(self, msg_id: int, answer: Answer, moment: float) -> None:
        self.answer(msg_id, answer, moment=moment)

    def answer(self, msg_id: int, answer: Answer, *, moment: float) -> bool:
        """Give the administrator's answer; return False where the job waits for none."""
        waiting = self._waiting.pop(msg_id, None)
        if waiting is None:
            return False
        job = waiting.job
        job.awaits_administrator = False
        if answer == "yes":
            waiting.go(moment)
            return True
        job.verdict = job.verdict.model_copy(update={"event_status": _ENDS[answer]})
        job.ends_at = moment
        waiting.end(moment)
        return True
