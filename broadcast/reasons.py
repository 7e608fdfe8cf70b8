"""Reasons: why a batch, a broadcast or an account waits or is stopped."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a batch, a broadcast or an account waits or is stopped; each has its text."""

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
    JOB_FAILED = "job_failed"  #: WeChat accepted the job, and reports that it failed
    TAG_UNANSWERED = "tag_unanswered"  #: WeChat does not say who has a tag that it names
    SUPPRESSION_LIST = "suppression_list"  #: of WeChat's own list nobody can be left out
    SUPPRESSED_SINCE = "suppressed_since"  #: between a retry of the batch and its call
    PLAN_DOES_NOT_FIT = "plan_does_not_fit"
    MISSED_TIME = "missed_time"
    DRAFT_EDITED = "draft_edited"  #: it says something else than what was to go out
    DRAFT_GONE = "draft_gone"  #: WeChat has it no more, before anything was accepted
    DRAFT_UNREAD = "draft_unread"  #: WeChat does not say what it says
    MEDIA_NOT_RENEWED = "media_not_renewed"  #: a file that died could not be uploaded again
    TOO_FEW = "too_few"
    NOBODY_LEFT = "nobody_left"  #: everybody on the list was left out
    BY_HAND = "by_hand"
    SAID_SENT = "said_sent"
    SAID_NOT_SENT = "said_not_sent"


#: Of a batch whose job WeChat accepted, and then ended without sending it to anybody.
STOPPED_JOB = frozenset({Reason.REVIEW_REFUSED, Reason.JOB_FAILED})
