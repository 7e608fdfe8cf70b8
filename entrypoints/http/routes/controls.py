"""Controls of a broadcast: pause, resume, cancel, retry, resolve. A repeat changes nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends
from pydantic import AfterValidator, ConfigDict, Field

from broadcast.errors import BroadcastError, InputError
from broadcast.redaction import kept_words
from broadcast.rules.calls.attempts import LARGEST_MSG_ID
from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.reports import Report
from broadcast.rules.states import Phase
from broadcast.views.job_words import question
from entrypoints.http import answers, bodies, json_answers, openapi
from entrypoints.http.caller import Caller, Controller
from entrypoints.http.lookups import account_of, the_broadcast
from entrypoints.http.openapi import Routes
from entrypoints.http.problems import ProblemError
from models.ledger.outcomes import resolves
from models.ledger.steer import operator, retries
from models.ledger.views import broadcast_reports
from producer import pushes, steer
from producer.request.shape import WHOLE

router = Routes(prefix="/v1", tags=["controls"])

_LONGEST_WHY = 1_000


class Control(bodies.Body):
    """Body of a control, with the operator's reason."""

    why: Annotated[
        Annotated[str, Field(max_length=_LONGEST_WHY), AfterValidator(kept_words)] | None,
        Field(description="kept in the history, in one line"),
    ] = None


class Resumption(Control):
    """Body of a resume."""

    maybe_sent: Annotated[
        bool, Field(description="it may have been sent before the database was restored; go on")
    ] = False


class Resolution(Control):
    """Was a batch in doubt sent?"""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"sent": {"const": False}}},
            "then": {"properties": {"msg_id": {"type": "null"}}},
        }
    )

    batch: Annotated[int, Field(ge=1, le=2**31 - 1, description="its `n` in `batch_list`"), WHOLE]
    sent: bool
    msg_id: Annotated[
        Annotated[int, Field(ge=1, le=LARGEST_MSG_ID), WHOLE] | None,
        Field(description="with `sent`: the job that WeChat's console shows"),
    ] = None


#: A control: of the caller, the broadcast before it and the request; whether anything changed.
Act = Callable[[Caller, Report, Control], bool]

_RESPONSES: dict[int | str, dict[str, Any]] = openapi.of_a_body(409)


def _done(caller: Caller, broadcast_id: str, *, act: Act, control: Control) -> dict[str, Any]:
    the_broadcast(caller, broadcast_id)
    engine = caller.engine
    report = broadcast_reports.report(engine, broadcast_id)
    if report.phase is Phase.UPLOADING and act is not _cancel:
        raise ProblemError("error.api.uploading")
    changed = act(caller, report, control)
    after = broadcast_reports.report(engine, broadcast_id)
    steer.wake(caller.parts.waker, after)
    return json_answers.broadcast(after) | {"changed": changed}


def _route(name: str, act: Act, summary: str, *, form: type[Control] = Control) -> None:
    body = Depends(bodies.body_of(form, optional=True))

    @router.taking(
        f"/broadcasts/{{broadcast_id}}/{name}",
        answers.Controlled,
        409,
        operation=name,
        summary=summary,
        body=openapi.takes(name, form=form),
    )
    def control(caller: Controller, broadcast_id: str, control: Control = body) -> dict[str, Any]:
        return _done(caller, broadcast_id, act=act, control=control)

    control.__doc__ = summary


def _pause(caller: Caller, report: Report, control: Control) -> bool:
    return operator.pause(caller.engine, report.id, who=caller.who, why=control.why)


def _cancel(caller: Caller, report: Report, control: Control) -> bool:
    return operator.cancel(caller.engine, report.id, who=caller.who, why=control.why)


def _resume(caller: Caller, report: Report, control: Control) -> bool:
    assert isinstance(control, Resumption)
    parts = caller.parts
    return steer.resume(
        parts.engine,
        report,
        settings=parts.settings,
        quota=parts.quota,
        who=caller.who,
        why=control.why,
        maybe_sent=control.maybe_sent,
    )


def _retry(caller: Caller, report: Report, control: Control) -> bool:
    parts, waits = caller.parts, caller.parts.settings.waits()
    pushes.apply_pending_follower_events(
        parts.engine, report.account, tuning=parts.settings.tuning()
    )
    # As the command without a terminal: only a person may say that it goes out all the same.
    against = steer.called_again_warnings(parts.engine, report, waits=waits)
    if message := question(report, ended=against.ended, forgotten=against.forgotten):
        raise InputError(f"error.{message.id}", **message.facts)
    again = steer.by_retry(parts.engine, report)
    steer.refuse_reached(parts.engine, report, again, command="retry")
    done = retries.retry(parts.engine, report.id, who=caller.who, why=control.why, waits=waits)
    return bool(done.groups_of(RetryVerdict.AGAIN))


_route("pause", _pause, "Start no new call of a broadcast")
_route(
    "resume",
    _resume,
    "Open a pause or a hold; the rest is proved against the day again",
    form=Resumption,
)
_route("cancel", _cancel, "Never call the rest of a broadcast; a list to come is not taken")
_route("retry", _retry, "Call again what WeChat refused for a reason that may pass")


@router.taking(
    "/broadcasts/{broadcast_id}/resolve",
    answers.Controlled,
    409,
    operation="resolve",
    summary="Say whether a batch in doubt was sent",
    body=openapi.takes("resolve", form=Resolution),
)
def resolve(
    caller: Controller,
    broadcast_id: str,
    verdict: Annotated[Resolution, Depends(bodies.body_of(Resolution))],
) -> dict[str, Any]:
    """Close a batch in doubt by an operator's verdict.

    `"sent": false` closes it as refused; only a retry sends it again.
    """
    if verdict.msg_id is not None and not verdict.sent:
        raise ProblemError("error.api.msg_id_not_sent", field="msg_id")
    return _done(caller, broadcast_id, act=_resolve, control=verdict)


def _resolve(caller: Caller, report: Report, control: Control) -> bool:
    assert isinstance(control, Resolution)
    if control.batch not in {line.n for line in report.batch_list}:
        raise ProblemError("error.api.no_batch", field="batch", n=control.batch)
    done = resolves.resolve(
        caller.engine,
        report.id,
        control.batch,
        verdict=_verdict(caller, report, control),
        who=caller.who,
        why=control.why,
        tuning=caller.parts.settings.tuning(),
    )
    return done.changed


def _verdict(caller: Caller, report: Report, control: Resolution) -> OperatorVerdict:
    """Return the verdict, with what WeChat says of its msg_id where it can be asked.

    Raises InputError for one that WeChat does not know: it would stand for a job that is none.
    """
    if not control.sent:
        return NotSent()
    verdict, account = Sent(control.msg_id), account_of(caller, report.account)
    if control.msg_id is None or account is None:
        return verdict
    try:
        status = caller.parts.wechat.status_of_job(account, control.msg_id)
    except BroadcastError:
        # WeChat is away: an operator's verdict counts without it.
        return verdict
    if status is None:
        raise InputError("error.resolve.denied", msg_id=control.msg_id, id=report.id)
    return replace(verdict, msg_status=status)
