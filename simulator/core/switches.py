"""Every guess about WeChat, as a switch.

The fact sheet marks what nobody could confirm with U and lists the open points in section 14.
A client must be right whichever way the switch stands; the default is the sheet's guess.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.core.bounds import Count, Repeats, Seconds, Shift, ZoneOffset

_EVENT_STATUS = r"^(send success|send fail|err\(\d+\))$"


class Switches(BaseModel):
    """The switches and their defaults; unknown names and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, strict=False)

    # The wire (section 0.1)
    content_type: Literal["application/json; charset=utf-8", "application/json", "text/plain"] = (
        "application/json; charset=utf-8"
    )
    error_suffix: Literal["rid", "hint", "both", "none"] = "rid"
    zhmsg: bool = False
    success_errcode: bool = False
    """Whether token, stable_token and mass/get carry errcode 0 on success."""
    date_offset_s: Shift = 0
    """How far the header `Date` of a reply is ahead of the machine's clock."""
    latency_ms: Seconds = 0
    """How long WeChat works on every call before it answers."""

    # Tokens (section 1)
    token_lifetime_s: Seconds = 7200
    token_overlap_s: Seconds = 300
    """How long the old token of a pair still works, and the last part of a stable token's life
    in which a normal call renews it."""
    token_length: Annotated[int, Field(ge=64, le=512)] = 136
    token_daily_limit: Count | None = None
    """None: 2,000, and 200 for a test account."""
    token_per_minute: Count = 0
    """The number is not documented, only 45011 was seen; 0 means no limit."""
    stable_daily_limit: Count = 500_000
    stable_per_minute: Count = 10_000
    force_refresh_daily_limit: Count = 20
    force_refresh_gap_s: Seconds = 30
    force_refresh_too_soon: Literal["current", "error"] = "current"
    """Section 14 point 8: the current token comes back, or 45011."""
    garbage_token_errcode: Literal[40001, 40014] = 40014
    appsecret_reset_kills: Literal["both", "classic", "stable", "none"] = "both"
    """Section 1.3: which tokens die at once when the AppSecret is reset."""
    long_40001_text: bool = False
    wrong_secret_errcode: Literal[40125, 40001] = 40125
    """Section 9: 40001 on the token call is also documented as "secret wrong"."""

    # Quotas and permissions (section 5)
    rejected_calls_count: bool = True
    """Section 13: whether a refused call takes one of the day's calls."""
    mass_quota_shared: bool = True
    """Whether send and sendall share the 100 calls of a day, and the 60 of a minute."""
    day_offset_s: ZoneOffset = 28_800
    """Section 14 point 14: the day turns at 00:00 in the zone this far ahead of UTC."""
    unlisted_daily_limit: Count | None = 100_000
    """Section 5.2: calls of a day of each interface that no page lists, such as mass/get. None: not
    limited, and quota/get answers 76021."""
    minute_errcode: Literal[45011, 45009] = 45011
    """Section 14 point 2."""
    minute_window: Literal["fixed", "sliding"] = "fixed"
    subscription_mass_send: bool = False
    """Section 14 point 1: else 48001."""
    test_account_sendall_errcode: Literal[45028, 48003] = 45028
    clears_per_month: Count = 10
    """Of clear_quota and its like, together."""
    quota_get_lag: Count = 0
    """Quota/get shows so many calls fewer than were made (sections 5.3)."""
    quota_get_rate_limit: Literal["object", "list", "absent"] = "object"
    """Section 5.3: newer documents show rate_limit, in a shape that nobody confirmed."""
    monthly_cap: Count = 4
    """Messages a follower gets in a month; the next is filtered silently; 0 means no cap."""

    # Mass sends (sections 2 and 14)
    too_many_errcode: Literal[40032, 45019] = 40032
    """Section 14 point 3."""
    malformed_openid: Literal["refuse", "drop"] = "refuse"
    """Section 14 point 4: 40003 for the whole list, or dropped like an unknown one."""
    total_counts_dropped: bool = True
    """Section 14 point 5."""
    accept_any_wellformed: bool = False
    """Every well-formed OpenID counts as a follower."""
    duplicates_delivered: Literal["each", "once"] = "each"
    """An OpenID twice in one list: nobody knows; the harmful guess is the default."""
    failed_call_uses_clientmsgid: bool = False
    """Section 14 point 6."""
    clientmsgid_scope: Literal["account", "everybody"] = "account"
    """Section 2.3: whether two accounts may use the same id."""
    clientmsgid_compares_content: bool = False
    """Section 14 point 7: an old id with other content is then accepted."""
    clientmsgid_max_bytes: Count = 64
    clientmsgid_window_s: Seconds = 86_400
    clientmsgid_too_fast_s: Seconds = 0
    """45066 instead of 45065 so long after an acceptance."""
    auto_clientmsgid_covers_scope: bool = True
    """False: without clientmsgid two batches of one article collide (section 2.3)."""
    parallel_calls_refused: bool = True
    """42010 (section 2.5)."""
    single_image_object: bool = True
    """Section 14 point 9."""
    max_media_ids: Count = 20
    """Section 14 point 10."""
    text_limit: Count = 600
    """Characters; section 14 point 11."""
    text_limit_errcode: Literal[45002, 40126] = 45002
    escaped_unicode: Literal["refuse", "accept"] = "refuse"
    """Section 10: `\\u4e2d` in a body is 40033, or parsed."""
    msg_data_id_for_all: bool = True
    """Section 14 point 13: else for mpnews alone."""
    draft_leaves_box: bool = True
    """Section 7.5: draft/get no longer knows an article once a mass send of it was accepted."""
    draft_dies_after_send: bool = False
    """The next batch with the same mpnews media_id gets 40007."""

    # Followers (section 8)
    followers_page: Annotated[int, Field(ge=1)] = 10_000
    """OpenIDs in one reply of user/get."""
    tag_page: Annotated[int, Field(ge=1)] = 10_000
    """Section 14 point 12: of user/tag/get."""
    last_page_names_next: bool = True
    """The last page with followers carries a next_openid too, and an empty one follows."""
    foreign_openid_errcode: Literal[49003, 40003] = 49003
    """A well-formed OpenID that the account does not know, given to tags or to the blacklist."""

    # Files (section 7)
    media_must_exist: bool = True
    """Whether a send and a draft's cover refuse (40007) a media_id that nobody uploaded here. What
    was uploaded is always looked at: whose it is, of what kind, and whether it still lives."""
    media_mismatch_errcode: Literal[-1, 40007] = -1
    """A file of another kind than the message's."""
    media_lifetime_s: Seconds = 259_200
    """How long a temporary file lives."""
    thumb_reply_key: Literal["media_id", "thumb_media_id"] = "media_id"
    """Under what name an uploaded thumb's id comes back: the documents differ."""
    image_max_bytes: Count = 10 * 2**20
    """The page says 10 MB and, further below, 2 MB."""
    voice_max_s: Seconds = 60
    max_articles: Annotated[int, Field(ge=1)] = 8
    """In one draft."""

    # Results (section 4.3)
    job_delay_s: Seconds = 1
    """How long a job runs after its acceptance: mass/get answers SENDING, then the event comes."""
    job_status: Literal["SEND_SUCCESS", "SEND_FAIL", "DELETE"] = "SEND_SUCCESS"
    job_event_status: Annotated[str, Field(pattern=_EVENT_STATUS)] | None = None
    """Section 6.4, the event's Status: `send success`, `send fail`, `err(20001)` ...; None: as
    `job_status` has it. Whatever is no success reaches nobody, and mass/get answers SEND_FAIL."""
    job_errors: Count = 0
    """So many of the eligible do not get it: the event's ErrorCount."""
    job_unknown_s: Seconds = 0
    """How long mass/get answers 40059 after the acceptance."""
    administrator_answer: Literal["none", "yes", "no"] = "none"
    """Section 5.1: what the administrator says to sends to all of an account with protection."""
    administrator_answers_after_s: Seconds = 0
    """How long after the acceptance the administrator says it."""
    administrator_waits_s: Seconds = 1800
    """How long the administrator has; then the job ends with err(40002)."""
    unconfirmed_uses_message: bool = True
    """Whether a send that the administrator did not confirm is one of the day's and month's."""
    administrator_hides_job: bool = False
    """Whether mass/get answers 40059, and not SENDING, while a job waits for the administrator."""
    speed_matters: bool = False
    """Whether a job runs longer by its recipients and the account's speed (section 4.4)."""
    preview_text: str = "preview success"
    """Section 14 point 15."""
    keep_bodies: bool = False
    """Keep the whole body of each accepted mass send, and show it with its job."""
    keep_recipients: bool = True
    """Keep each job's recipients (4 bytes a head), for a ledger by content."""

    # Pushes (sections 6.2 and 6.3)
    push_mode: Literal["plain", "compatible", "safe"] | None = None
    """None: as each account's callback says; an account without a key gets plain ones."""
    push_format: Literal["xml", "json"] | None = None
    """None: as each account's callback says."""
    follow_events: bool = True
    """Whether followers whom the admin API adds or removes are pushed as events."""
    push_delay_s: Seconds = 0
    """How late every push comes, by the shifted clock."""
    push_tries: Repeats = 3
    """Section 14 point 16: in all."""
    push_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 5
    push_repeat_after_s: Seconds = 1
    """How long after a failure it is repeated, by the shifted clock; nobody documents it."""
    push_repeat_signature: Literal["same", "new"] = "same"
    """Whether a repeat carries timestamp, nonce and signature of the first try."""
    push_repeats_after_nonsense: bool = True
    """Whether an answer 200 that is not `success`, empty or XML is a failure."""
