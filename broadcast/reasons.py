"""Reasons: why a batch, a broadcast or an account waits or stands still."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a batch, a broadcast or an account waits or stands still; each has its text."""

    NONE = ""
    REPEAT_UNKNOWN = "repeat_unknown"
    THROTTLED = "throttled"
    WECHAT_NOT_READY = "wechat_not_ready"
    REDIS_AWAY = "redis_away"  #: it cannot be reached, or refuses to work: no token and no pace
    QUOTA_TODAY = "quota_today"
    SPREAD_OVER_DAYS = "spread_over_days"  #: its calls of today are made, the rest has days to come
    QUOTA_MONTH = "quota_month"
    CONTENT_REFUSED = "content_refused"
    REQUEST_NOT_MADE = "request_not_made"  #: our client could write no request; nothing was called
    ACCOUNT_STOPPED = "account_stopped"
    APPID_CHANGED = "appid_changed"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a reason's name
    RECIPIENTS_REFUSED = "recipients_refused"
    TWO_MSG_IDS = "two_msg_ids"
    FOREIGN_MSG_ID = "foreign_msg_id"
    UNPROVED_ACCEPTANCE = "unproved_acceptance"
    WINDOW_CLOSED = "window_closed"
    TOO_MANY_REFUSALS = "too_many_refusals"
    TOO_MANY_DOUBTS = "too_many_doubts"
    TOO_OFTEN_UNKNOWN = "too_often_unknown"
    REFUSED_AFTER_UNKNOWN = "refused_after_unknown"
    ILLEGAL_MOVE = "illegal_move"
    STOPPED_WHILE_UNKNOWN = "stopped_while_unknown"
    REVIEW_REFUSED = "review_refused"
    PLAN_DOES_NOT_FIT = "plan_does_not_fit"
    MISSED_TIME = "missed_time"
    TOO_FEW = "too_few"
    BY_HAND = "by_hand"
    SAID_SENT = "said_sent"
    SAID_NOT_SENT = "said_not_sent"
