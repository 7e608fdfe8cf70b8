"""Names that other programs rely on: tasks, queues, events. Fixed strings, never module paths.

A message in the broker outlives the code that wrote it, so moving a function must not change what
it is called.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

#: Of every task.
PREFIX: Final = "broadcast."
PLAN: Final = "broadcast.plan"
SEND_BATCH: Final = "broadcast.send_batch"
POLL_ACCOUNT: Final = "broadcast.settle"
REFRESH_TOKEN: Final = "broadcast.refresh_token"  # noqa: S105 - a task's name
SWEEP: Final = "broadcast.sweep"
LAUNCH_DUE: Final = "broadcast.launch_due"
POLL_RESULTS: Final = "broadcast.poll_results"
READ_DRAFTS: Final = "broadcast.read_drafts"
HANDLE_PUSHES: Final = "broadcast.handle_pushes"
SUBMIT_OUTBOX: Final = "broadcast.submit_outbox"
DELIVER_WEBHOOKS: Final = "broadcast.deliver_webhooks"
REPORT: Final = "broadcast.report"

QUEUE: Final = "broadcast"
#: By this name other programs hand a broadcast over, as a task and as its queue.
ENQUEUE: Final = "broadcast.enqueue"
#: A list in the broker's Redis: what stood in that queue and is no message at all.
UNREAD: Final = "broadcast.enqueue.unread"
#: In the broker's Redis: what workers took and did not acknowledge yet. Under kombu's own name our
#: workers would give back what another app's took ten minutes ago: its long tasks would run twice.
UNACKED: Final = "broadcast.unacked"
#: Exchanges of Celery's commands (`control.ping`) and events. Through Celery's own ones each app on
#: a broker steers the workers of all others, and sees what they work at.
CONTROL: Final = "broadcast"
EVENTS: Final = "broadcastev"
#: The command by which a worker says on which database it works.
WHICH_DATABASE: Final = "broadcast.which_database"
EVENT_BATCH: Final = "broadcast-batch"


#: Kind of a line of the history.
EventKind = StrEnum(
    "EventKind",
    {
        #: From one state to another; without a batch: of several at once.
        "BATCH_MOVE": "batch.move",
        "ILLEGAL_MOVE": "batch.illegal_move",  #: what followed from a reply was not allowed: a bug
        "CONFLICT": "batch.conflict",  #: WeChat said otherwise than a person had said
        "SUBMITTED": "broadcast.submitted",
        "PLANNED": "broadcast.planned",
        "SHRUNK": "broadcast.shrunk",  #: people were taken out of batches without an attempt
        #: Every batch is at rest, or at rest in another way than before.
        "ENDED": "broadcast.ended",
        "OPERATOR_ACTION": "operator.action",  #: a person's command, whatever it moved
        "GATE_CLOSED": "gate.closed",
        "GATE_OPENED": "gate.opened",
        "POLL_UNANSWERED": "poll.unanswered",  #: mass/get was asked about a job and did not answer
        "PUSH_REFUSED": "push.refused",  #: a request to the callback URL, signed with another token
        "TOKEN_DRIFT": "token.drift",  #: another program replaced the access_token
    },
)
