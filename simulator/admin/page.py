"""The page at `/`: what was received, who got what, what is under way and what goes wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import TypeAlias, TypeVar

import numpy as np
from starlette.responses import Response

from simulator.admin.ledger import reached
from simulator.admin.request import AdminRequest
from simulator.admin.words import WORDS, Words
from simulator.core.accounts import Account
from simulator.core.errors import RefusalError
from simulator.core.push import Push
from simulator.core.switches import Switches
from simulator.core.world import World
from simulator.endpoints.mass.checks import SEND
from simulator.endpoints.mass.jobs import SENT, Job, JobBook
from simulator.endpoints.mass.pages import status_of
from simulator.openid import MalformedOpenIDError, pack

SHOWN = 30
_REFRESH_S = 5
_TEXT = 60
T = TypeVar("T")
Row: TypeAlias = Sequence[object]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", sans-serif; margin: 2rem auto;
  max-width: 78rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin: 2rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #8884;
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; } code { font-size: 12px; }
.none { color: #888; } .bad { color: #c33; font-weight: 600; }
"""


async def page(request: AdminRequest) -> Response:
    """Show the page, in Chinese where the browser asks for it, or by `?lang=`."""
    languages = request.query.get("lang") or request.http.headers.get("accept-language", "")
    language = "zh" if languages.lower().startswith("zh") else "en"
    words, world = WORDS[language], request.world
    openid = request.query.get("openid", "").strip()
    parts = [
        _head(world, words),
        _form(words, language, openid),
        *([_story(request, words, openid)] if openid else []),
        _table(words, "accounts", [_account_row(world, one) for one in world.accounts.values()]),
        _table(words, "faults", _fault_rows(world)),
        _table(words, "switches", _switch_rows(world)),
        _table(words, "jobs", [_job_row(world, one) for one in _last(world.part(JobBook))]),
        _table(words, "pushes", [_push_row(one) for one in _last(world.pushes)]),
        _table(words, "calls", _call_rows(world)),
    ]
    html = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{_REFRESH_S}">'
        f"<title>{words['title']}</title><style>{_STYLE}</style><body>{''.join(parts)}"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
    return Response(html, media_type="text/html", headers={"content-security-policy": policy})


def _head(world: World, words: Words) -> str:
    shift_s = world.clock.shift_s
    running = sum(world.now() < job.ends_at for job in world.part(JobBook))
    figures = words["figures"].format(
        now=_time(world, world.now()),
        shift=f"{shift_s:+.0f}",
        calls=len(world.journal),
        jobs=len(world.part(JobBook)),
        running=running,
    )
    return f"<h1>{words['title']}</h1><p>{escape(figures)}</p>"


def _form(words: Words, language: str, openid: str) -> str:
    return (
        f'<form><label>{words["who"]} <input name="openid" size="32" value="{escape(openid)}">'
        f'</label> <input type="hidden" name="lang" value="{language}">'
        f"<button>{words['show']}</button></form>"
    )


def _story(request: AdminRequest, words: Words, openid: str) -> str:
    """Show the deliveries to one follower, of every account that knows the OpenID."""
    rows: list[Row] = []
    for account in request.world.accounts.values():
        try:
            number = account.followers.known(pack([openid]))[0]
        except MalformedOpenIDError as error:
            return f'<p class="bad">{escape(str(error))}</p>'
        jobs = {job.msg_id: job for job in request.world.part(JobBook)}
        rows += [
            (account.name, msg_id, jobs[msg_id].kind, _said(jobs[msg_id]))
            for msg_id, recipients in reached(request, account)
            if np.any(recipients == number)
        ]
    return _table(words, "story", rows)


def _account_row(world: World, account: Account) -> Row:
    calls = account.days.used(SEND, period=world.today())
    totals = account.ledger.totals()
    callback = account.callback
    return (
        account.name,
        account.appid,
        account.kind,
        len(account.followers),
        f"{calls} / {account.daily_limit}",
        totals.deliveries,
        totals.doubled,
        f"{callback.mode} {callback.format} {callback.url}" if callback else "",
    )


def _fault_rows(world: World) -> list[Row]:
    return [
        (one.number, one.label, one.order.path or "*", one.order.appid or "*", one.seen, one.fired)
        for one in world.faults
    ]


def _switch_rows(world: World) -> list[Row]:
    """Those that do not stand at their default."""
    usual, now = Switches().model_dump(), world.switches.model_dump()
    return [(name, now[name], usual[name]) for name in now if now[name] != usual[name]]


def _job_row(world: World, job: Job) -> Row:
    try:
        status: str = status_of(world, job)
    except RefusalError as error:
        status = str(error.errcode)
    ends = _time(world, job.ends_at)
    sent = job.eligible - job.errors if job.end(world.switches) == SENT else 0
    counts = f"{job.total} / {job.eligible} / {sent} / {job.errors}"
    who = world.accounts[job.appid].name
    return job.msg_id, who, job.kind, _said(job), status, ends, counts, job.clientmsgid or ""


def _push_row(push: Push) -> Row:
    last = push.attempts[-1] if push.attempts else None
    answer = (last.error or str(last.reply or last.answer or "")) if last else ""
    shown = f"{push.envelope.mode} {push.envelope.format}"
    return push.number, push.event, shown, push.state, len(push.attempts), _short(answer)


def _call_rows(world: World) -> list[Row]:
    return [
        (
            one.number,
            _time(world, one.start),
            world.accounts[one.appid].name if one.appid in world.accounts else one.appid or "",
            one.path.removeprefix("/cgi-bin/"),
            "" if one.errcode is None else one.errcode,
            one.msg_id or "",
            one.fault or "",
        )
        for one in _last(world.journal)
    ]


def _said(job: Job) -> str:
    text = job.content.get("text")
    if isinstance(text, dict):
        return _short(str(text.get("content")))
    return str(job.content["msgtype"])


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def _last(items: Iterable[T]) -> list[T]:
    return list(islice(reversed(list(items)), SHOWN))


def _time(world: World, moment: float) -> str:
    zone = dt.timezone(dt.timedelta(seconds=world.switches.day_offset_s))
    return dt.datetime.fromtimestamp(moment, zone).strftime("%m-%d %H:%M:%S")


def _table(words: Words, name: str, rows: Iterable[Row]) -> str:
    title, *names = words[name].split("|")
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in row) for row in rows)
    if not body:
        return f'<h2>{title}</h2><p class="none">{words["none"]}</p>'
    head = "".join(f"<th>{one}" for one in names)
    return f"<h2>{title}</h2><table><tr>{head}{body}</table>"
