"""The objects of the answers, for the OpenAPI document; what they mean is in docs/json.md.

They describe what :mod:`broadcast.views.json_objects` gives, which tests hold against them; no
answer is made of them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from broadcast.rules.states import BatchState, BroadcastState

Count = int | None
_RESTORED = "nothing is sent, as the database is a copy, or was restored or moved"


class Answer(BaseModel):
    """What every answer has in common."""

    model_config = ConfigDict(extra="allow")


class Content(Answer):
    """Content of a broadcast, in short."""

    msgtype: str
    preview: str


class AudienceFigures(Answer):
    """Numbers of lines read, of lines left out by reason, and of OpenIDs planned."""

    read: int
    malformed: int
    duplicate: int
    suppressed: int
    excluded: int
    unsubscribed: int
    capped: int
    sampled_out: int
    planned: Annotated[Count, Field(description="null while that is not known")]


class RecipientFigures(Answer):
    """Numbers of planned OpenIDs in each set; they add up to ``planned``."""

    accepted: Count
    refused: Count
    cancelled: Count
    in_doubt: Count
    waiting: Count


class BatchFigures(Answer):
    """Number of batches, in all and in each set."""

    total: int
    accepted: int
    finished: int
    refused: int
    cancelled: int
    in_doubt: int
    waiting: int


class BatchLine(Answer):
    """One batch: one call of WeChat's mass/send."""

    n: int
    size: Count
    state: BatchState
    msg_id: int | None
    attempts: int
    errcode: int | None
    reason: str | None
    not_before: str | None
    msg_status: Annotated[
        str | None, Field(description="what WeChat said of the job when it was asked")
    ]
    verified: Annotated[
        bool, Field(description="false: an operator says that it was sent, WeChat does not")
    ]
    finish: Annotated[dict[str, Any] | None, Field(description="WeChat's finish event")]


class Blocker(Answer):
    """Reason why no call is made now, and the command that goes on."""

    cause: str
    reason: str | None
    errcode: int | None
    errmsg: str | None
    since: str | None
    until: str | None
    who: str | None
    why: str | None
    count: int | None
    broadcasts: list[str]
    batch: int | None
    command: str | None
    path: str | None


class Delivered(Answer):
    """WeChat's own counts, which its finish events bring; null where it gave none."""

    total: Count
    eligible: Count
    sent: Count
    errors: Count
    jobs: int


class BroadcastInAList(Answer):
    """A broadcast without its batches."""

    id: str
    state: BroadcastState
    reason: str | None
    account: str
    key: str
    title: str | None
    content: Content
    created_by: str
    priority: int
    to: dict[str, Any]
    selection: dict[str, Any]
    audience: AudienceFigures
    recipients: RecipientFigures
    batches: BatchFigures
    blockers: list[Blocker]
    calls: int
    delivered: Delivered
    created_at: str
    scheduled_at: str | None
    started_at: str | None
    finished_at: str | None
    pruned_at: str | None
    error: str | None


class OperatorAction(Answer):
    """Action of an operator, or of a program with a key; some kinds have more members."""

    at: str
    who: str
    action: str
    why: str | None


class Broadcast(BroadcastInAList):
    """A broadcast: where it stands, and a page of its batches."""

    batch_list: list[BatchLine]
    batch_next: Annotated[
        int | None, Field(description="`batch_after` of the next page; null: none follows")
    ]
    operator_actions: list[OperatorAction]
    operator_actions_earlier: Annotated[
        int, Field(description="how many more there were before these")
    ]


class Notice(Answer):
    """Notice about a broadcast, in the caller's language."""

    code: str
    text: str


class Submitted(Broadcast):
    """A broadcast that is stored, and what is to be known about it."""

    notices: list[Notice]


class Controlled(Broadcast):
    """A broadcast after a word on it."""

    changed: Annotated[bool, Field(description="false: it was so already")]


class BroadcastList(Answer):
    """Broadcasts, the newest first."""

    broadcasts: list[BroadcastInAList]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null: none follows")]


class Plan(Answer):
    """Plan of a submit, as it would be now; nothing was stored."""

    fits: bool
    problem: Annotated[str | None, Field(description="why it does not fit, and the shortest fix")]
    existing: Annotated[
        str | None, Field(description="the broadcast that has this key and body already")
    ]
    account: str
    audience: dict[str, Count]
    left_out: dict[str, int]
    recipients: Count
    calls: Count
    days: Count
    quota: Annotated[dict[str, int] | None, Field(description="what WeChat says of today's calls")]
    starts_at: str
    notices: list[Notice]


class AuditFinding(Answer):
    """One thing that an audit found."""

    check: str
    code: str
    account: str | None
    broadcast: str | None
    batch: int | None
    means: str
    facts: dict[str, Any]


class Audit(Answer):
    """The delivery promise, asked of the ledger."""

    id: str
    ok: bool
    audited: dict[str, int]
    checks: dict[str, int]
    findings: list[AuditFinding]


class Account(Answer):
    """An account of the settings, without any secret."""

    name: str
    appid: str
    kind: str
    calls_per_minute: int
    halted: dict[str, Any] | None
    stopped: dict[str, Any] | None
    restored: Annotated[dict[str, Any] | None, Field(description=_RESTORED)]


class AccountList(Answer):
    """The accounts that the key is good for."""

    accounts: list[Account]


class Switched(Answer):
    """An account after a halt or its end."""

    name: str
    changed: bool
    halted: dict[str, Any] | None
    stopped: dict[str, Any] | None
    restored: Annotated[dict[str, Any] | None, Field(description=_RESTORED)]


class Reason(Answer):
    """Reason why a message became no broadcast."""

    code: str
    field: str | None
    text: str


class DeadLetterInAList(Answer):
    """A message that became no broadcast."""

    id: str
    state: str
    source: str
    key: str | None
    account: str | None
    reason: Reason
    times: int
    first_at: str
    last_at: str
    broadcast_id: str | None
    closed_at: str | None
    closed_by: str | None
    error: None


class DeadLetter(DeadLetterInAList):
    """A message that became no broadcast, and what it asked for."""

    body: Any


class DeadLetterList(Answer):
    """Dead letters, the newest first."""

    dead_letters: list[DeadLetterInAList]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null: none follows")]


class Dropped(Answer):
    """Number of dead letters that were put aside."""

    dropped: int
    left: Annotated[
        int,
        Field(description="those that still wait: a retry is under way, or they came meanwhile"),
    ]


class WebhookProblem(Answer):
    """Reason why the last delivery failed."""

    code: str
    text: str


class Webhook(Answer):
    """An event of which a receiver hears, or could not hear."""

    id: str
    broadcast_id: str
    version: int
    account: str
    type: str
    state: str
    url: str
    tries: int
    http_status: int | None
    problem: WebhookProblem | None
    created_at: str
    tried_at: str | None
    next_try_at: str | None
    give_up_at: str | None
    closed_at: str | None


class WebhookList(Answer):
    """Webhooks, the newest first."""

    webhooks: list[Webhook]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null: none follows")]


class Health(Answer):
    """The process runs."""

    ok: bool


class Readiness(Answer):
    """Readiness to answer requests, and the parts that are away."""

    ready: bool
    missing: Annotated[list[str], Field(description="without these no request is answered")]
    away: Annotated[list[str], Field(description="what is stored waits until these are back")]
    full: Annotated[list[str], Field(description="of these no more is kept until somebody acts")]
