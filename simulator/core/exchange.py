"""One call from its first byte to its last: journal, faults, handler, reply."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from simulator.core.admission import admit
from simulator.core.endpoint import Answer, Call, Download, Endpoint, access_token
from simulator.core.errors import ALREADY_ACCEPTED, RefusalError, rid
from simulator.core.faults import Fault, When
from simulator.core.journal import Record
from simulator.core.replies import (
    GARBAGE,
    GATEWAY_PAGE,
    Dripping,
    Dropped,
    Truncated,
    client_left,
    date_now,
    json_reply,
    refusal_fields,
    reply_of,
)
from simulator.core.rids import BODY_BYTES, RefusedCall, RidBook
from simulator.core.world import World


@dataclass(slots=True)
class Exchange:
    """A call that is being answered. A reset meanwhile leaves it in the world that it came to."""

    world: World
    endpoint: Endpoint
    request: Request
    record: Record
    body: bytes = b""
    worked: bool = False

    async def response(self) -> Response:
        """Return the response to the client."""
        if fault := self._strike("before", unread=True):
            return await self._spoilt(fault, None)
        try:
            self.body = await self.request.body()
        except ClientDisconnect:
            self.world.journal.end(self.record, abandoned=True)
            return Dropped()
        if self.record.appid is None and self.endpoint.auth is not access_token:
            self.record.appid = _named_appid(self.body, self.request)
        if (fault := self._strike("before")) and not await self._goes_on_after(fault):
            return await self._spoilt(fault, None)
        return await self._answered()

    async def _answered(self) -> Response:
        try:
            answer = await self._executed()
        except RefusalError as refusal:
            await self._work()
            self.record.errcode = refusal.errcode
            return self._closed(self._refused(refusal))
        self.record.errcode = _errcode(answer)
        if fault := self._strike("after"):
            return await self._spoilt(fault, reply_of(self.world, self._named(fault, answer)))
        return self._closed(reply_of(self.world, answer))

    def finish(self) -> None:
        """Close the record: the last byte is about to leave, or the client is gone."""
        self.world.journal.end(self.record)
        self.world.journal.release(self.record)

    async def arrive_again(self, after_s: float) -> None:
        """Execute the same request later, as a call of its own whose reply nobody gets."""
        await asyncio.sleep(after_s)
        record = self.world.journal.begin(
            method=self.record.method,
            path=self.endpoint.path,
            mass=self.endpoint.mass,
            appid=self.record.appid,
        )
        record.fault = f"{self.record.fault}, again"
        again = Exchange(self.world, self.endpoint, self.request, record, self.body)
        try:
            record.errcode = _errcode(await again._executed())
        except RefusalError as refusal:
            record.errcode = refusal.errcode
        finally:
            again.finish()

    async def _executed(self) -> Answer:
        request = self.request
        call = Call(
            world=self.world,
            endpoint=self.endpoint,
            method=request.method,
            query=request.query_params,
            content_type=request.headers.get("content-type", ""),
            body=self.body,
            ip=request.client.host if request.client else "",
            record=self.record,
        )
        with call.exit:
            call.exit.callback(call.drop_parts)
            admit(call)
            await self._work()
            return self.endpoint.handler(call)

    async def _work(self) -> None:
        """Wait for WeChat's own time, once a call; a client that leaves does not stop it."""
        seconds = self.world.switches.latency_ms / 1000
        if seconds and not self.worked:
            await self._wait(seconds, keep_on=True)
        self.worked = True

    async def _wait(self, seconds: float, *, keep_on: bool) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        left = await client_left(self.request.receive, within_s=seconds)
        if left:
            self.world.journal.end(self.record, abandoned=True)
            if keep_on:
                await asyncio.sleep(max(0, end - loop.time()))
        return left

    def _strike(self, when: When, *, unread: bool = False) -> Fault | None:
        fault = self.world.faults.strike(
            when=when, appid=self.record.appid, path=self.endpoint.path, unread=unread
        )
        if fault is not None:
            self.record.fault = fault.label
        return fault

    async def _goes_on_after(self, fault: Fault) -> bool:
        """Say whether the call is executed although this fault hit it before."""
        if fault.order.kind == "slow":
            await self._wait(fault.order.seconds, keep_on=True)
            return True
        if fault.order.kind == "invalidate_token" and self.record.appid is not None:
            self.world.tokens.invalidate(
                self.record.appid, ("classic", "stable"), now=self.world.now(), sticky=False
            )
        return fault.order.kind == "invalidate_token"

    def _named(self, fault: Fault, fields: Answer) -> Answer:
        """Return the fields of a success with the msg_id that this fault has them name."""
        if isinstance(fields, Download):
            return fields
        match fault.order.kind:
            case "omit":
                return {name: value for name, value in fields.items() if name != "msg_id"}
            case "same_msg_id":
                own = (one for one in self.world.journal if one.appid == self.record.appid)
                return fields | {"msg_id": [one.msg_id for one in own if one.msg_id][-2:][0]}
            case _:
                return fields

    async def _spoilt(self, fault: Fault, reply: Response | None) -> Response:
        """Return the faulty reply in place of `reply`; None means the call was not executed."""
        order = fault.order
        whole = reply or self._refused(RefusalError(-1))
        if order.kind == "slow":
            await self._wait(order.seconds, keep_on=False)
        if order.kind == "drip":
            return Dripping(whole, pause_s=order.seconds, finish=self.finish)
        return self._closed(self._broken(fault, whole))

    def _broken(self, fault: Fault, whole: Response) -> Response:
        order = fault.order
        match order.kind:
            case "drop" | "drop_unread" | "twice" | "late":
                again = partial(self.arrive_again, order.seconds)
                return Dropped(again if order.kind in {"twice", "late"} else None)
            case "truncated":
                return Truncated(whole.body, headers=dict(whole.headers))
            case "garbage":
                return Response(GARBAGE, headers=dict(content_type(whole)))
            case "html":
                page = GATEWAY_PAGE.format(status=order.status)
                return Response(page, order.status, media_type="text/html")
            case "errcode":
                self.record.errcode = order.errcode
                return self._refused(self._ordered_refusal(fault))
            case _:
                return whole

    def _ordered_refusal(self, fault: Fault) -> RefusalError:
        order = fault.order
        assert order.errcode is not None
        exists = order.errcode == ALREADY_ACCEPTED and self.record.msg_id is not None
        fields = {"msg_id": self.record.msg_id} if exists and order.name_job else {}
        return RefusalError(order.errcode, errmsg=order.errmsg, fields=fields)

    def _refused(self, refusal: RefusalError) -> Response:
        world, request = self.world, self.request
        name = rid(world.now(), world.random)
        reply = json_reply(world, refusal_fields(world, refusal, rid=name))
        kept = RefusedCall(
            rid=name,
            appid=self.record.appid,
            at=world.now(),
            cost_ms=round((time.time() - self.record.start) * 1000),
            query=_masked(request.url.query),
            body=self.body[:BODY_BYTES].decode(errors="replace"),
            response=bytes(reply.body).decode(),
            ip=request.client.host if request.client else "",
        )
        world.part(RidBook).keep(kept)
        return reply

    def _closed(self, response: Response) -> Response:
        self.record.status = None if isinstance(response, Dropped) else response.status_code
        self.finish()
        return response


def _errcode(answer: Answer) -> int:
    return 0 if isinstance(answer, Download) else int(answer.get("errcode", 0))


def content_type(response: Response) -> dict[str, str]:
    """Return the header that says what a reply pretends to be."""
    return {"content-type": response.headers["content-type"]}


async def exchanged(world: World, endpoint: Endpoint, request: Request) -> Response:
    """Answer one call, and close its record whatever happens."""
    token = request.query_params.get("access_token")
    appid = world.tokens.owner(token) or request.query_params.get("appid")
    record = world.journal.begin(
        method=request.method, path=endpoint.path, mass=endpoint.mass, appid=appid
    )
    exchange = Exchange(world, endpoint, request, record)
    try:
        response = await exchange.response()
    except BaseException:
        exchange.finish()
        raise
    response.headers["date"] = date_now(world)
    return response


def _masked(query: str) -> str:
    """Return a query without its secrets."""
    return re.sub(r"((?:access_token|secret|appsecret)=[^&]{0,4})[^&]*", r"\1xxxx", query)


def _named_appid(body: bytes, request: Request) -> str | None:
    """Return the appid that a token call names in its body."""
    if "access_token" in request.query_params or not body:
        return None
    try:
        named = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    appid = named.get("appid") if isinstance(named, dict) else None
    return appid if isinstance(appid, str) else None
