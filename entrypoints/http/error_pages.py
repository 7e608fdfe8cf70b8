"""Every error that the API answers with, by subject; the page of errors is made of it.

A test holds it against the code: whatever can be raised below the API is here, or stands in the
test with the reason why it is never an answer.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from typing import Any, Final

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.views.program_words import in_members, text_of
from broadcast.views.texts import Language, Texts
from entrypoints.http import problems

#: Subject, id without ``error.``, status.
ERRORS: Final[Mapping[str, Mapping[str, int]]] = {
    "access": {
        "api.no_key": 401, "api.wrong_key": 401, "api.scope": 403, "api.no_account": 404,
        "api.no_accounts": 404, "api.which_account": 422, "api.no_path": 404, "api.method": 405,
    },
    "request": {
        "api.content_type": 415, "api.encoding": 415, "api.too_large": 413, "api.slow": 408,
        "api.cut_off": 400, "api.json": 400, "api.json_twice": 400, "api.json_deep": 400,
        "api.json_many": 400,
        "api.parameter_twice": 422, "api.cursor": 422, "request.no_object": 422,
        "request.missing": 422, "request.unknown": 422, "request.unknown_near": 422,
        "request.wrong": 422, "request.at": 422, "request.key_beside": 422,
        "request.late_by": 422, "request.notify": 422,
        "request.notify_unsigned": 422, "title.empty": 422, "title.too_long": 422,
        "title.unprintable": 422,
    },
    "key": {
        "api.no_idempotency_key": 422, "key.empty": 422, "key.too_long": 422,
        "key.unprintable": 422, "submit.key_taken": 409, "submit.key_awaited": 409,
        "submit.other_time": 409, "submit.other_options": 409, "submit.repeated": 409,
        "api.removed": 410,
    },
    "audience": {
        "request.no_audience": 422, "request.two_audiences": 422, "request.confirm_to_all": 422,
        "request.with_tag_alone": 422, "request.upload": 422, "request.exclude": 422,
        "request.sample": 422, "request.long_list": 422,
        "api.no_such_exclusion": 422, "broadcast.unknown": 422,
        "broadcast.unknown_near": 422, "exclude.no_list": 422, "exclude.other_account": 422,
        "exclude.awaited": 422,
        "tag.none": 422, "tag.unknown": 422, "tag.empty": 422, "audience.none_valid": 422,
        "audience.single": 422,
    },
    "upload": {
        "api.no_upload": 409, "submit.other_list": 409, "submit.list_cancelled": 409,
        "api.being_stored": 409, "api.other_being_stored": 409, "api.busy_uploads": 503,
        "api.slow_upload": 408, "submit.taken_over": 409, "audience.empty": 422,
        "audience.nothing_valid": 422, "audience.only_blank": 422, "audience.no_column": 422,
        "audience.columns": 422, "audience.open_quote": 422, "audience.long_line": 422,
        "audience.encoding": 422,
        "audience.binary": 422, "audience.cut": 422, "audience.unreadable": 503,
        "audience.no_room": 503,
    },
    "content": {
        "content.no_object": 422, "content.missing": 422, "content.msgtype": 422,
        "content.unknown": 422, "content.unknown_several": 422, "content.wrong": 422,
        "content.empty": 422, "content.too_long": 422, "content.too_big": 422,
        "content.control": 422, "content.surrogate": 422, "content.placeholder": 422,
        "content.music": 422, "content.image": 422, "media.not_uploaded": 422, "media.expired": 422,
        "media.dies_before": 422, "media.other_account": 422, "media.other_kind": 422,
        "media.no_article": 422, "media.plain_video": 422, "media.temporary_cover": 422,
    },
    "plan": {
        "at.unreadable": 422, "at.past": 422, "at.past_fast": 422, "at.past_slow": 422,
        "at.far": 422, "plan.account_kind": 422, "plan.test_account": 422,
        "plan.too_many": 422, "plan.too_many_one": 422, "plan.too_many_held": 422,
        "plan.too_many_one_held": 422, "plan.never_synced": 422, "plan.nobody_left": 422,
        "plan.one_left": 422, "plan.all_suppressed": 422, "plan.sample_too_small": 422,
        "plan.excludes_unplanned": 422, "plan.narrowed_sendall": 422,
        "plan.suppressed_sendall": 422,
        "plan.suppressed_sendall_one": 422,
    },
    "broadcast": {
        "api.no_broadcast": 404, "api.uploading": 409, "broadcast.uploading": 409,
        "broadcast.awaited": 409,
        "recipients.skipped_alone": 422, "recipients.unplanned": 409,
        "recipients.never_planned": 409, "broadcast.ended": 409, "broadcast.in_doubt": 409,
        "resume.too_many": 409, "resume.too_many_one": 409, "resume.too_many_held": 409,
        "resume.too_many_one_held": 409,
        "resume.stopped_meanwhile": 409, "resume.suppressed": 409, "resume.suppressed_one": 409,
        "resume.draft_gone": 409, "resume.draft_unseen": 409, "broadcast.newer": 409,
        "retry.cancelled": 409, "retry.unclaimed": 409,
        "retry.unprotected": 409, "retry.unprotected_one": 409, "api.no_batch": 422,
        "api.msg_id_not_sent": 422,
        "resolve.no_batch": 409, "resolve.not_in_doubt": 409, "resolve.called_again": 409,
        "resolve.accepted": 409, "resolve.accepted_elsewhere": 409, "resolve.several": 409,
        "resolve.denied": 409, "resolve.named": 409, "resolve.owned": 409,
        "resolve.owned_by_word": 409, "resolve.other_time": 409, "resolve.to_nobody": 409,
    },
    "others": {
        "api.no_dead_letter": 404, "dead.still": 409, "dead.cut": 409, "dead.is_sent": 409,
        "dead.is_dropped": 409, "dead.is_tried": 409, "api.no_webhook": 404,
    },
    "campaign": {
        "api.no_campaign": 404, "campaign.name": 422, "campaign.name_taken": 409,
        "campaign.account": 422, "campaign.edited": 409, "campaign.no_time": 422,
        "campaign.two_times": 422, "usage.belongs_to": 422, "campaign.cron": 422,
        "campaign.cron_fields": 422, "campaign.cron_never": 422, "campaign.never_due": 422,
        "campaign.at_past": 422, "campaign.far": 422, "campaign.zone": 422,
        "campaign.time_skipped": 422, "campaign.time_twice": 422, "campaign.day": 422,
        "campaign.days_backwards": 422, "campaign.word": 422, "campaign.brake": 422,
        "campaign.list": 422, "campaign.fixed_draft": 422, "campaign.variable": 422,
        "campaign.variable_near": 422, "campaign.run_file": 422, "launch.none": 422,
        "launch.begun": 409, "launch.queued": 409, "launch.launched": 409, "launch.skipped": 409,
        "launch.list_owner": 422, "launch.malformed": 422, "launch.size": 422,
    },
    "server": {
        "api.failed": 500, "api.busy": 503, "database.away": 503, "database.encoding": 503,
        "database.file": 503,
        "settings.accounts_file_missing": 503,
        "settings.accounts_file_encoding": 503, "settings.accounts_file_toml": 503,
        "settings.accounts_file_empty": 503, "settings.account_name": 503,
        "settings.account_key": 503, "settings.account_key_near": 503,
        "settings.account_value": 503, "settings.swapped": 503, "settings.same_appid": 503,
        "settings.two_secrets": 503, "settings.secret_file": 503, "settings.name": 503,
        "settings.account_kind": 503, "settings.api_base": 503, "settings.token_mode": 503,
        "settings.calls_per_minute": 503, "settings.shared_quota": 503,
        "settings.send_protection": 503,
        "settings.preview_groups": 503, "settings.callback_token": 503,
        "settings.encoding_aes_key": 503, "settings.keyword": 503, "settings.keywords": 503,
        "settings.notify_url": 503, "settings.notify_refused": 503,
        "settings.two_webhook_secrets": 503, "settings.BROADCAST_WEBHOOK_SECRETS": 503,
        "settings.appid_changed": 503, "settings.appid_renamed": 503,
    },
}  # fmt: skip
_BEGINNING: Final = "error."


@frozen
class Line:
    """One error as the page shows it."""

    id: str
    status: int
    #: What happened, with … for what differs from case to case.
    detail: str
    fix: str


def statuses() -> dict[str, int]:
    """Return the status of each error by its id."""
    return {
        f"{_BEGINNING}{name}": status
        for errors in ERRORS.values() for name, status in errors.items()
    }  # fmt: skip


def page(language: Language) -> Iterator[tuple[str, list[Line]]]:
    """Yield each subject, in words, with its errors."""
    texts = Texts(language)
    for subject, errors in ERRORS.items():
        yield (
            texts(f"api.errors.{subject}"),
            [_line(f"{_BEGINNING}{name}", status, texts) for name, status in errors.items()],
        )


def _line(name: str, status: int, texts: Texts) -> Line:
    # What is a command is seen by its words, so facts are words at first.
    detail = in_members(_without_facts(texts.template(text_of(name, texts))), key=problems.KEY)
    return Line(
        id=name, status=status, detail=detail.replace(_FACT, "…"),
        fix=texts(_fix(name, status)),
    )  # fmt: skip


def _fix(name: str, status: int) -> Message:
    field = problems.field_of(name) or _NAMED["field"]
    return problems.fix(status, Message(name, field=field), keyed=name not in _WITHOUT_KEY)


#: Of requests that take no idempotency key.
_WITHOUT_KEY: Final = frozenset({
    "error.api.cursor", "error.api.parameter_twice", "error.recipients.skipped_alone",
    "error.api.no_batch", "error.api.msg_id_not_sent", "error.api.slow_upload",
})  # fmt: skip


def _without_facts(template: str) -> str:
    """Return a text with a word in place of each of its facts."""
    found = ""
    for words, name, form, _ in string.Formatter().parse(template):
        found += words
        if name is not None:
            # Behind the last | stands the word for several.
            _, bar, several = (form or "").rpartition("|")
            found += _NAMED.get(name, _FACT) + (f" {several}" if bar and several else "")
    return found


_FACT: Final = "_fact_"
_NAMED: Final = {"field": "FIELD", "id": "ID"}


def as_page(document: Mapping[str, Any]) -> bytes:
    """Return the page of a document."""
    info = document["info"]
    return _whole(
        "en", info["title"], info["description"],
        '<p><a href="/openapi.json">openapi.json</a></p>',
        f'<p><a href="{problems.PAGE}">{escape(Texts("en")("api.errors.title"))}</a></p>',
        *_operations(document["paths"]),
    )  # fmt: skip


@cache
def of_errors(language: Language) -> bytes:
    """Return the page of every error; an error's place is its id."""
    texts = Texts(language)
    return _whole(
        language, texts("api.errors.title"), texts("api.errors.intro"), *_errors(language, texts)
    )


def _errors(language: Language, texts: Texts) -> Iterator[str]:
    heads = [texts(f"api.errors.head.{name}") for name in ("error", "detail", "fix")]
    for subject, lines in page(language):
        yield f"<h2>{escape(subject)}</h2><table>"
        yield f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"
        for line in lines:
            name, what, fix = escape(line.id), escape(line.detail), escape(line.fix)
            yield f'<tr id="{name}"><td><code>{name}</code> {line.status}</td>'
            yield f"<td>{what}</td><td>{fix}</td></tr>"
        yield "</table>"


def _whole(language: Language, title: str, intro: str, *lines: str) -> bytes:
    head = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><h1>{escape(title)}</h1>",
        f"<p>{escape(intro)}</p>",
    )
    return "\n".join((*head, *lines, "</html>")).encode()


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2>"
            yield f"<p><strong>{escape(operation['summary'])}.</strong></p>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield from _parameters(operation.get("parameters", ()))
            yield from _bodies(operation.get("requestBody", {}).get("content", {}))
            yield "<ul>"
            for status, answer in operation["responses"].items():
                yield f"<li>{status}: {escape(answer['description'])}</li>"
            yield "</ul>"


def _parameters(parameters: Any) -> Iterator[str]:  # noqa: ANN401 - of a document
    for one in parameters:
        needed = ", required" if one.get("required") else ""
        meaning = escape(one.get("description", ""))
        yield f"<p><code>{escape(one['name'])}</code> ({one['in']}{needed}) {meaning}</p>"


def _bodies(content: Mapping[str, Any]) -> Iterator[str]:
    for kind, body in content.items():
        for example in body.get("examples", {}).values():
            text = json.dumps(example["value"], ensure_ascii=False, indent=2)
            yield f"<p>{escape(kind)}: {escape(example['summary'])}</p><pre>{escape(text)}</pre>"
        if "example" in body:
            yield f"<p>{escape(kind)}:</p><pre>{escape(body['example'])}</pre>"
