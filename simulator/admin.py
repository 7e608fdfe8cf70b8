"""The admin API: order faults, turn switches, change accounts, move the clock, read the truth.

Everything is JSON but lists of OpenIDs, which are text, one a line. A request that makes no
sense gets 400 with the reason in `error`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.accounts import Account
from simulator.admin_accounts import (
    AccountChange,
    Invalidation,
    account_summary,
    changed,
    invalidated,
)
from simulator.admin_ledger import calls, dump, job, job_list, openid_story, query, totals
from simulator.clock import next_day_start
from simulator.faults import Fault, FaultOrder
from simulator.openid import Rows, pack
from simulator.switches import Switches
from simulator.world import World

Answer: TypeAlias = dict[str, Any]
View: TypeAlias = Callable[[Request], Awaitable[Answer | Response]]


class AdminError(ValueError):
    """The admin request cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Admin:
    """The views of the admin API."""

    world: World

    async def state(self, _request: Request) -> Answer:
        """Show accounts, concurrency, clock and figures."""
        world, journal = self.world, self.world.journal
        return {
            "now": world.now(),
            "shift_s": world.clock.shift_s,
            "calls": len(journal),
            "jobs": len(world.jobs),
            "faults": [_fault_summary(fault) for fault in world.faults],
            "concurrency": {
                "max_in_flight": dict(journal.max_in_flight),
                "max_total_in_flight": journal.max_total_in_flight,
                "max_accounts_in_flight": journal.max_accounts_in_flight,
            },
            "accounts": [account_summary(world, one) for one in world.accounts.values()],
        }

    async def reset(self, _request: Request) -> Answer:
        """Go back to the start."""
        self.world.reset()
        return {"reset": True}

    async def clock(self, request: Request) -> Answer:
        """Move the clock: `advance_s` further, to `shift_s`, or so that a day turns soon."""
        order = await _json(request)
        clock, world = self.world.clock, self.world
        match order:
            case {"advance_s": int() | float() as seconds}:
                clock.shift_s += seconds
            case {"shift_s": int() | float() as seconds}:
                clock.shift_s = seconds
            case {"day_turns_in_s": int() | float() as seconds}:
                turn = next_day_start(world.now(), offset_s=world.switches.day_offset_s)
                clock.shift_s += turn - seconds - world.now()
            case _:
                message = "give advance_s, shift_s or day_turns_in_s, in seconds"
                raise AdminError(message)
        return {"now": world.now(), "shift_s": clock.shift_s}

    async def switches(self, _request: Request) -> Answer:
        """Show every switch."""
        return self.world.switches.model_dump()

    async def turn_switches(self, request: Request) -> Answer:
        """Turn some switches, all or none of them."""
        values = self.world.switches.model_dump() | await _json(request)
        self.world.switches = Switches(**values)
        return self.world.switches.model_dump()

    async def faults(self, _request: Request) -> Answer:
        """Show every fault in force or used up."""
        return {"faults": [_fault_summary(fault) for fault in self.world.faults]}

    async def add_fault(self, request: Request) -> Answer:
        """Order a fault."""
        return _fault_summary(self.world.faults.add(FaultOrder(**await _json(request))))

    async def remove_faults(self, request: Request) -> Answer:
        """Lift the fault with this `number`, or all."""
        number = request.query_params.get("number")
        return {"removed": self.world.faults.remove(int(number) if number else None)}

    async def change_account(self, request: Request) -> Answer:
        """Change an account, or open one (then with a secret)."""
        change = AccountChange(**await _json(request))
        account = changed(self.world, request.path_params["appid"], change)
        return account_summary(self.world, account)

    async def invalidate_token(self, request: Request) -> Answer:
        """Make an account's tokens 40001 from now on."""
        how = Invalidation(**await _json(request))
        account = self._account(request)
        return {"invalidated": invalidated(self.world, account.appid, how)}

    async def add_followers(self, request: Request) -> Answer:
        """Let the OpenIDs of the body follow the account."""
        account = self._account(request)
        account.followers.add(await _rows(request))
        return {"followers": len(account.followers)}

    async def remove_followers(self, request: Request) -> Answer:
        """Let the OpenIDs of the body unsubscribe."""
        account = self._account(request)
        account.followers.remove(await _rows(request))
        return {"followers": len(account.followers)}

    async def set_tag(self, request: Request) -> Answer:
        """Let a tag consist of the OpenIDs of the body."""
        rows = await _rows(request)
        self._account(request).tags[int(request.path_params["tag_id"])] = rows
        return {"count": len(rows)}

    async def ledger(self, request: Request) -> Answer:
        """Show an account's totals, of all jobs or of those with one content."""
        content = request.query_params.get("content")
        return asdict(totals(self.world, self._account(request), content=content))

    async def ledger_openid(self, request: Request) -> Answer:
        """Show what one follower got."""
        openid = request.path_params["openid"]
        return openid_story(self.world, self._account(request), pack([openid]), openid=openid)

    async def ledger_query(self, request: Request) -> Answer:
        """Show how often each OpenID of the body got something."""
        body = await request.body()
        return query(self._account(request), body.decode().split())

    async def ledger_dump(self, request: Request) -> Response:
        """Stream `OPENID count` lines of everybody who got anything."""
        return dump(self._account(request))

    async def jobs(self, request: Request) -> Answer:
        """List the accepted jobs."""
        return {"jobs": job_list(self.world, dict(request.query_params))}

    async def job(self, request: Request) -> Answer:
        """Show one job with its content."""
        return job(self.world, self._msg_id(request))

    async def force_job(self, request: Request) -> Answer:
        """Make mass/get answer a status, null for the usual course."""
        status = (await _json(request)).get("status")
        if status not in {None, "SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"}:
            message = "status is SENDING, SEND_SUCCESS, SEND_FAIL, DELETE or null"
            raise AdminError(message)
        msg_id = self._msg_id(request)
        self.world.jobs.get(msg_id).forced_status = status
        return job(self.world, msg_id)

    async def calls(self, request: Request) -> Answer:
        """List the calls that arrived."""
        return {"calls": calls(self.world, dict(request.query_params))}

    def _account(self, request: Request) -> Account:
        account = self.world.accounts.get(request.path_params["appid"])
        if account is None:
            message = f"no account has the appid {request.path_params['appid']}"
            raise AdminError(message)
        return account

    def _msg_id(self, request: Request) -> int:
        msg_id = int(request.path_params["msg_id"])
        if msg_id not in {one.msg_id for one in self.world.jobs}:
            message = f"no job has the msg_id {msg_id}"
            raise AdminError(message)
        return msg_id


def admin_routes(world: World) -> list[BaseRoute]:
    """Return the routes under /admin."""
    admin = Admin(world)
    routes: list[tuple[str, str, View]] = [
        ("GET", "state", admin.state),
        ("POST", "reset", admin.reset),
        ("POST", "clock", admin.clock),
        ("GET", "switches", admin.switches),
        ("POST", "switches", admin.turn_switches),
        ("GET", "faults", admin.faults),
        ("POST", "faults", admin.add_fault),
        ("DELETE", "faults", admin.remove_faults),
        ("POST", "accounts/{appid}", admin.change_account),
        ("POST", "accounts/{appid}/invalidate-token", admin.invalidate_token),
        ("POST", "accounts/{appid}/followers", admin.add_followers),
        ("DELETE", "accounts/{appid}/followers", admin.remove_followers),
        ("POST", "accounts/{appid}/tags/{tag_id:int}", admin.set_tag),
        ("GET", "ledger/{appid}", admin.ledger),
        ("GET", "ledger/{appid}/openid/{openid}", admin.ledger_openid),
        ("POST", "ledger/{appid}/query", admin.ledger_query),
        ("GET", "ledger/{appid}/dump", admin.ledger_dump),
        ("GET", "jobs", admin.jobs),
        ("GET", "jobs/{msg_id:int}", admin.job),
        ("POST", "jobs/{msg_id:int}", admin.force_job),
        ("GET", "calls", admin.calls),
    ]
    return [Route(f"/admin/{path}", _shown(view), methods=[verb]) for verb, path, view in routes]


def _shown(view: View) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        try:
            answer = await view(request)
        except ValueError as error:
            reason = str(error) or type(error).__name__
            return Response(orjson.dumps({"error": reason}), 400, media_type="application/json")
        if isinstance(answer, Response):
            return answer
        return Response(orjson.dumps(answer), media_type="application/json")

    return show


async def _json(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        value = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise AdminError(str(error)) from error
    if not isinstance(value, dict):
        message = "the body is a JSON object"
        raise AdminError(message)
    return value


async def _rows(request: Request) -> Rows:
    return pack((await request.body()).decode().split())


def _fault_summary(fault: Fault) -> dict[str, Any]:
    history = {"number": fault.number, "seen": fault.seen, "fired": fault.fired}
    return {**history, **fault.order.model_dump()}
