"""What holds in the world now: clock, switches, faults, and all of it at one glance."""

from __future__ import annotations

from simulator.admin.accounts import account_summary
from simulator.admin.asking import AdminError, Answer, Asked, Routes
from simulator.core.clock import next_day_start
from simulator.core.faults import Fault, FaultOrder
from simulator.core.switches import Switches
from simulator.endpoints.mass.jobs import JobBook


async def state(asked: Asked) -> Answer:
    """Show accounts, concurrency, clock and figures."""
    world, journal = asked.world, asked.world.journal
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


async def reset(asked: Asked) -> Answer:
    """Go back to the start."""
    asked.simulation.reset()
    return {"reset": True}


async def clock(asked: Asked) -> Answer:
    """Move the clock: `advance_s` further, to `shift_s`, or so that a day turns soon.

    What is due by then happens before the answer.
    """
    order = await asked.json()
    world = asked.world
    shift_s = world.clock.shift_s
    match order:
        case {"advance_s": int() | float() as seconds}:
            shift_s += seconds
        case {"shift_s": int() | float() as seconds}:
            shift_s = seconds
        case {"day_turns_in_s": int() | float() as seconds}:
            turn = next_day_start(world.now(), offset_s=world.switches.day_offset_s)
            shift_s += turn - seconds - world.now()
        case _:
            message = "give advance_s, shift_s or day_turns_in_s, in seconds"
            raise AdminError(message)
    world.shift_clock(shift_s)
    return {"now": world.now(), "shift_s": world.clock.shift_s}


async def switches(asked: Asked) -> Answer:
    """Show every switch."""
    return asked.world.switches.model_dump()


async def turn_switches(asked: Asked) -> Answer:
    """Turn some switches, all or none of them."""
    values = asked.world.switches.model_dump() | await asked.json()
    asked.world.switches = Switches(**values)
    return asked.world.switches.model_dump()


async def faults(asked: Asked) -> Answer:
    """Show every fault in force or used up."""
    return {"faults": [_fault_summary(fault) for fault in asked.world.faults]}


async def add_fault(asked: Asked) -> Answer:
    """Order a fault."""
    return _fault_summary(asked.world.faults.add(FaultOrder(**await asked.json())))


async def remove_faults(asked: Asked) -> Answer:
    """Lift the fault with this `number`, or all."""
    number = asked.query.get("number")
    return {"removed": asked.world.faults.remove(int(number) if number else None)}


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
