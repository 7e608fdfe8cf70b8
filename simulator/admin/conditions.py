"""The state of the world: clock, switches, faults, and all of it at one glance."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from simulator.admin.accounts import account_summary
from simulator.admin.request import AdminError, AdminRequest, Answer, Routes
from simulator.core.bounds import MOST_SHIFT_S, Shift
from simulator.core.clock import next_day_start
from simulator.core.faults import Fault, FaultOrder
from simulator.core.switches import Switches
from simulator.endpoints.mass.jobs import JobBook


class ClockMove(BaseModel):
    """Shift of the clock, in one of three ways, in seconds."""

    model_config = ConfigDict(extra="forbid")

    advance_s: Shift | None = None
    shift_s: Shift | None = None
    day_turns_in_s: Shift | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in dict(self).values()) != 1:
            message = "give advance_s, shift_s or day_turns_in_s, in seconds"
            raise ValueError(message)
        return self


async def state(request: AdminRequest) -> Answer:
    """Show accounts, concurrency, clock and figures."""
    world, journal = request.world, request.world.journal
    return {
        "now": world.now(),
        "shift_s": world.clock.shift_s,
        "calls": len(journal),
        "jobs": len(world.part(JobBook)),
        "faults": [_fault_summary(fault) for fault in world.faults],
        "scheduled": len(world.scheduler),
        "concurrency": {
            "max_in_flight": dict(journal.max_in_flight),
            "max_total_in_flight": journal.max_total_in_flight,
            "max_accounts_in_flight": journal.max_accounts_in_flight,
        },
        "accounts": [account_summary(world, one) for one in world.accounts.values()],
    }


async def reset(request: AdminRequest) -> Answer:
    """Reset the world to its start."""
    request.simulation.reset()
    return {"reset": True}


async def clock(request: AdminRequest) -> Answer:
    """Move the clock: `advance_s` further, to `shift_s`, or so that a day turns soon.

    What is due by then happens before the answer.
    """
    order, world = ClockMove(**await request.json()), request.world
    shift_s = world.clock.shift_s
    match order:
        case ClockMove(advance_s=float() as seconds):
            shift_s += seconds
        case ClockMove(shift_s=float() as seconds):
            shift_s = seconds
        case ClockMove(day_turns_in_s=float() as seconds):
            turn = next_day_start(world.now(), offset_s=world.switches.day_offset_s)
            shift_s += turn - seconds - world.now()
    if abs(shift_s) > MOST_SHIFT_S:
        (name,) = order.model_fields_set
        message = f"{name}: the clock goes {MOST_SHIFT_S} seconds ahead or back, and no further"
        raise AdminError(message)
    world.shift_clock(shift_s)
    return {"now": world.now(), "shift_s": world.clock.shift_s}


async def switches(request: AdminRequest) -> Answer:
    """Show every switch."""
    return request.world.switches.model_dump()


async def turn_switches(request: AdminRequest) -> Answer:
    """Turn some switches, all or none of them."""
    values = request.world.switches.model_dump() | await request.json()
    request.world.switches = Switches(**values)
    return request.world.switches.model_dump()


async def faults(request: AdminRequest) -> Answer:
    """Show every fault in force or used up."""
    return {"faults": [_fault_summary(fault) for fault in request.world.faults]}


async def add_fault(request: AdminRequest) -> Answer:
    """Order a fault."""
    return _fault_summary(request.world.faults.add(FaultOrder(**await request.json())))


async def remove_faults(request: AdminRequest) -> Answer:
    """Lift the fault with this `number`, or all."""
    return {"removed": request.world.faults.remove(request.number("number"))}


ROUTES: Routes = (
    ("GET", "state", state),
    ("POST", "reset", reset),
    ("POST", "clock", clock),
    ("GET", "switches", switches),
    ("POST", "switches", turn_switches),
    ("GET", "faults", faults),
    ("POST", "faults", add_fault),
    ("DELETE", "faults", remove_faults),
)


def _fault_summary(fault: Fault) -> Answer:
    history = {"number": fault.number, "seen": fault.seen, "fired": fault.fired}
    return {**history, **fault.order.model_dump()}
