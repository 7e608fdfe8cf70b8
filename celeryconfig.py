"""Celery's settings, read by ``app.config_from_object("celeryconfig")``; each with its reason.

The broker wakes: it may lose, repeat and reorder messages, and the database decides. Only
what another program submits through it is nowhere else until a worker has stored it.
"""

from __future__ import annotations

from kombu import Exchange as _Exchange
from kombu import Queue as _Queue

from broadcast import names as _names
from broadcast.settings.program_settings import VAR as _VAR
from broadcast.settings.program_settings import Settings as _Settings

_settings = _Settings.load()

#: How long a message may lie unacknowledged: far above a slice of a lane (10 s and one call).
_VISIBILITY_S = 600
_MINUTE_S = 60
#: How long RabbitMQ may be silent: to a publish that waits for its confirmation, and between two
#: heartbeats. Less would be missed on a busy machine.
_SILENCE_S = 5
#: How much two machines' clocks may differ.
_CLOCKS_S = 3600

# The Redis of tokens and pace, unless another broker is named.
broker_url = _settings.celery_broker_url
# The producer publishes by name and never loads them.
imports = ("worker.tasks",)

# The database holds results; nothing may pile up in Redis.
task_ignore_result = True
# Nor is there anything to clean up: beat would publish a task for that, which no worker takes. What
# other programs ask for is answered beside it (worker/enqueue.py): with a backend here, each wake
# would first subscribe to its result in Redis, and fail where Redis is away and RabbitMQ is not.
result_expires = None
# Programs in other languages submit too; the tasks that wake carry ids (and how often they were
# passed on).
task_serializer = "json"
# Pickle runs code: of whoever can write to the broker.
accept_content = ["json"]
# A worker that dies leaves its wake in the broker.
task_acks_late = True
# Nothing is parked behind a slow lane.
worker_prefetch_multiplier = 1
# One process drives many lanes, which wait for WeChat. A worker refuses any other pool, in which
# lanes would not hear of a stop: see docs/decisions/0003-threads-pool.md.
worker_pool = "threads"
worker_concurrency = _settings.concurrency
# A dead broker costs seconds, half-open sockets are found, and lost wakes come back by themselves
# although the sweep is the real recovery. The last three are RabbitMQ's, and the others Redis's:
# each ignores what it does not know.
broker_transport_options = {
    "visibility_timeout": _VISIBILITY_S,
    "unacked_key": _names.UNACKED,
    "unacked_index_key": f"{_names.UNACKED}_index",
    "unacked_mutex_key": f"{_names.UNACKED}_mutex",
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "max_retries": 0,
    "global_keyprefix": _settings.redis_prefix,
    # Without it a publish may be lost in silence.
    "confirm_publish": True,
    # Nor may a silent broker hold a thread for ever: the worker's own would neither take messages
    # nor notice that its connection is dead.
    "read_timeout": _SILENCE_S,
    "write_timeout": _SILENCE_S,
}
# This shows whether RabbitMQ's consumer is alive: after twice as long without a heartbeat the
# worker opens a new connection. With Celery's 120 s a connection that a router forgot, so that no
# reset ever comes, would keep every worker without messages for minutes, and lanes without calls.
broker_heartbeat = _SILENCE_S
# A publish fails soon: the row is committed, and the sweep wakes later. It is tried twice, because
# the second try opens a new connection. RabbitMQ's does not recover: after a restart of the
# node beat would publish into the old one, in vain, for as long as it lives.
task_publish_retry_policy = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
# Workers wait for the broker, for as long as it takes.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# Also for one that is there and refuses: a Redis that is full, or that became somebody's replica.
# Without it the worker ends.
broker_channel_error_retry = True
# Every lane may publish at the end of its slice.
broker_pool_limit = 10
# A hiccup of the broker must not cut a call to WeChat: that makes an unknown outcome.
worker_cancel_long_running_tasks_on_connection_loss = False
# A queue that is not listed is not read. Only those with a task are: Celery throws away a message
# whose task it does not know.
task_default_queue = _names.QUEUE
# The second is declared as Celery declares a queue that it was never told of: other programs know
# its name alone, and RabbitMQ refuses them where the two declarations differ.
task_queues = [
    _Queue(_names.QUEUE),
    _Queue(_names.ENQUEUE, _Exchange(_names.ENQUEUE, type="direct"), routing_key=_names.ENQUEUE),
]
# No time limits: a call has its own total deadline, and a kill in mid-call makes its outcome
# unknown.
# One line for a message of another version, and no more of it.
worker_consumer = "worker.messages:Consumer"
# The pace is the account's, across all workers; Celery's is one worker's.
worker_disable_rate_limits = True
# Another app on the same broker stops, steers and watches its own workers, and not these.
control_exchange = _names.CONTROL
event_exchange = _names.EVENTS
# Flower lives on events.
worker_send_task_events = True
task_send_sent_event = False
# Our own logging, which masks secrets.
worker_hijack_root_logger = False
# Celery would make log records of what is printed, and ours are printed to standard error.
worker_redirect_stdouts = False
# The account's day.
timezone = "Asia/Shanghai"
# Messages carry UTC, so that machines of different zones agree on when a wake is too old.
enable_utc = True
# It goes on where the clock was set back.
beat_scheduler = "worker.celery_parts:Scheduler"
# It answers whether it runs (broadcast doctor): no row says so while lanes are busy.
beat_enable_remote_control = True
# Losing it costs one wake of each entry.
beat_schedule_filename = str(_VAR / "celerybeat-schedule")


def _every(seconds: float, task: str, **kwargs: object) -> dict[str, object]:
    # An old wake is dropped: a night without workers does not end in a flood. Old by the clock of
    # the worker, while beat wrote down the time by its own: with the period alone, a worker whose
    # clock is minutes ahead would drop every wake, and nothing left behind would ever go on. Where
    # it is further ahead still, worker/celery_parts.py lets some through.
    return {
        "task": task,
        "schedule": seconds,
        "kwargs": kwargs,
        "options": {"expires": seconds + _CLOCKS_S},
    }


# Any number of beats is harmless: each entry only wakes, and the database decides.
beat_schedule = {
    # WeChat's token lives 7,200 s.
    "refresh-token": _every(100 * _MINUTE_S, _names.REFRESH_TOKEN),
    # stable_token gives the same token until its last five minutes, so those are looked for too.
    "keep-token": _every(_MINUTE_S, _names.REFRESH_TOKEN, only_expiring=True),
    # A lane left behind goes on within: lease 6 s + this.
    "sweep": _every(3, _names.SWEEP),
    "launch-due": _every(5, _names.LAUNCH_DUE),
    "poll-results": _every(30, _names.POLL_RESULTS),
    # Drafts that nobody could read at their submit, long before their time comes.
    "read-drafts": _every(30, _names.READ_DRAFTS),
}
