"""Rehearsals by real workers and beats: what is in a run's way is said an hour before it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import LaunchState, Policy
from broadcast.rules.campaigns.rehearsals import Rehearsal, Stage
from broadcast.rules.campaigns.template import OF_FILE, Template
from models.engine import now
from models.every_table import LaunchRow
from models.ledger.campaigns import campaign_edits, campaign_rows, rehearsal_rows
from tests.acceptance.test_draft_add import picture
from tests.acceptance.test_notices import INSIDE, commands_of
from tests.kit import bots
from tests.kit.bots import Bot
from tests.kit.endpoints import QUOTA
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

HOUR = timedelta(hours=1)
TEXT = {"msgtype": "text", "text": {"content": "{date}"}}
#: By account: two people of each get each run.
GOOD, WRONG_SECRET, USED_UP, SUPPRESSED, HALTED = (f"account{n}" for n in range(1, 6))


@pytest.fixture
def wecom() -> Iterator[Bot]:
    with bots.bot() as bot:
        yield bot


def add(
    system: System,
    name: str,
    *,
    account: str = GOOD,
    audience: Mapping[str, Any] = OF_FILE,
    content: Mapping[str, Any] = TEXT,
    ahead: timedelta = HOUR,
    **found: Any,
) -> Campaign:
    """Store a campaign that is due so far ahead, to the list of a file if nothing else is said."""
    request = {"account": account, "audience": dict(audience), "content": dict(content)}
    if audience == OF_FILE:
        found = {"audience_file": str(system.folder / "list.txt")} | found
    at = datetime.now(UTC).replace(microsecond=0) + ahead
    plan = CampaignPlan(
        account=account,
        schedule=Schedule(zone="Asia/Shanghai", at=at),
        policy=Policy(),
        template=Template(request=request, **found),
    )
    return campaign_edits.add(system.engine, name, plan, who="operator")


def launched_before(system: System, campaign: Campaign, *, size: int) -> None:
    """Note that the campaign went to so many people a week ago."""
    with system.engine.begin() as connection:
        due = now(connection) - timedelta(days=7)
        row = {
            "campaign_id": campaign.id,
            "account": campaign.plan.account,
            "due_at": due,
            "state": LaunchState.LAUNCHED,
            "version": 1,
            "key": "before",
            "size": size,
            "decided_at": due,
        }
        connection.execute(insert(LaunchRow).values(row))


def rehearsed(system: System, campaign: Campaign) -> Sequence[Rehearsal]:
    """Return the rehearsals of a campaign, the last first."""
    return rehearsal_rows.history(system.engine, campaign, most=10)


def until_rehearsed(system: System, campaign: Campaign, n: int = 1) -> Rehearsal:
    """Wait until a campaign was rehearsed so often; return the last rehearsal."""
    what = f"rehearsal {n} of {campaign.name}"
    system.until_woken(lambda: len(rehearsed(system, campaign)) >= n, what)
    found = rehearsed(system, campaign)
    assert len(found) == n
    return found[0]


def found_by(rehearsal: Rehearsal) -> list[str]:
    """Return the ids of what a rehearsal found."""
    return [one.id for one in rehearsal.findings]


def faulty(system: System) -> dict[str, Campaign]:
    """Store campaigns, each with what is to be found of it, in the order of the faults."""
    folder = system.folder
    (folder / "empty.txt").touch()
    (folder / "article.md").write_text("---\ntitle: A\ncover: gone.jpg\n---\nHello.\n", "utf-8")
    shrunk = add(system, "shrunk")
    launched_before(system, shrunk, size=200)
    return {
        "error.audience.missing_file": add(system, "gone", audience_file=str(folder / "no.txt")),
        "error.audience.empty": add(system, "empty", audience_file=str(folder / "empty.txt")),
        "error.launch.size": shrunk,
        "error.launch.drafts_none": add(system, "no draft", draft_title="None"),
        "error.launch.drafts_several": add(system, "two drafts", draft_title="Twice"),
        "error.article.no_cover_file": add(
            system, "no cover", article_file=str(folder / "article.md")
        ),
        "error.tag.unknown": add(system, "no tag", audience={"tag_id": 77}),
        "error.plan.never_synced": add(system, "unsynced", audience={"followers": True}),
        "error.wechat.refused": add(system, "secret", account=WRONG_SECRET),
        "error.plan.too_many_one": add(system, "no calls", account=USED_UP),
        "error.plan.suppressed_sendall_one": add(
            system,
            "everybody",
            account=SUPPRESSED,
            audience={"to_all": True, "confirm_to_all": SUPPRESSED},
        ),
        "rehearsal.stopped": add(system, "halted", account=HALTED),
    }


#: Content by a media_id that WeChat has not.
GONE = (
    {"msgtype": "image", "images": {"media_ids": ["G" * 43]}},
    {"msgtype": "voice", "voice": {"media_id": "G" * 43}},
    {"msgtype": "mpnews", "mpnews": {"media_id": "G" * 43}},
)


def test_media_that_wechat_has_no_more_are_found_and_told_an_hour_ahead_and_others_are_not(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = start_system(followers=20, BROADCAST_NOTIFY=wecom.url, **INSIDE)
    people = system.simulator.openids(20)
    picture(system.folder / "there.jpg")

    def to_two(name: str, content: Mapping[str, Any], *, ahead: timedelta = HOUR) -> Campaign:
        # Of one list it would be the fifth message of the month.
        list_file = system.folder / f"{name}.txt"
        list_file.write_text(f"{people.pop()}\n{people.pop()}\n", "ascii")
        return add(
            system,
            name,
            account="default",
            audience_file=str(list_file),
            content=content,
            ahead=ahead,
        )

    gone = [to_two(f"gone{n}", one) for n, one in enumerate(GONE)]
    good = []
    for name, words in (("kept", ["--permanent"]), ("dying", [])):
        done = system.broadcast("media", "upload", "there.jpg", *words, "--json")
        [one] = json.loads(done.stdout.splitlines()[-1])["media"]
        there = {"msgtype": "image", "images": {"media_ids": [one["media_id"]]}}
        good.append(to_two(name, there))
    # Of one that media/uploadvideo made nobody can ask.
    good.append(to_two("film", {"msgtype": "mpvideo", "mpvideo": {"media_id": "G" * 43}}))
    to_two("late", there, ahead=80 * HOUR)
    system.worker(), system.beat()

    for one in gone:
        assert found_by(until_rehearsed(system, one)) == ["notice.media.gone"]
    for one in good:
        assert found_by(until_rehearsed(system, one)) == []
    until(lambda: "\n".join(wecom.texts).count("G" * 43) >= len(GONE), 60, "a notice of each")
    late = system.broadcast("campaigns", "run", "late", "--rehearse", status=1)
    assert "there.jpg lives at WeChat until" in late.stdout + late.stderr
    assert system.simulator.mass_calls() == []


def plant(system: System) -> None:
    """Plant the faults that are none of a campaign's own."""
    simulator, folder = system.simulator, system.folder
    wrong, used_up = simulator.accounts[1].appid, simulator.accounts[2].appid
    simulator.change_account(wrong, secret="somebody-has-reset-it")
    # Whatever the hour is: in an hour it may be tomorrow.
    simulator.change_account(used_up, daily_limit=0, used=0)
    people = simulator.openids(20)
    (folder / "list.txt").write_text("\n".join(people) + "\n", "ascii")
    (folder / "own.txt").write_text("\n".join(people[:2]) + "\n", "ascii")
    system.broadcast("suppress", "add", people[0], "--account", SUPPRESSED)
    system.broadcast("halt", "--account", HALTED)
    picture(folder / "cover.jpg")
    (folder / "twice.md").write_text("---\ntitle: Twice\ncover: cover.jpg\n---\nHello.\n", "utf-8")
    for _ in range(2):
        system.broadcast("draft", "add", folder / "twice.md", "--account", GOOD)


def test_twelve_planted_faults_are_found_and_told_an_hour_ahead_and_a_good_run_is_not_mentioned(
    start_system: StartSystem, wecom: Bot
) -> None:
    """With two workers and two beats."""
    system = start_system(followers=20, accounts=5, BROADCAST_NOTIFY=wecom.url, **INSIDE)
    plant(system)
    # Of one list it would be the fifth message of the month.
    own = str(system.folder / "own.txt")
    campaigns, good = faulty(system), add(system, "good", audience_file=own)
    for _ in range(2):
        system.worker()
        system.beat()

    found = {what: until_rehearsed(system, one) for what, one in campaigns.items()}
    # WeChat's refusal of its AppSecret has stopped the account, too.
    more = {"error.wechat.refused": ["rehearsal.stopped"]}
    # What one worker was refused the other is told of without a call.
    same = {"error.token.fetch": "error.wechat.refused"}
    assert {what: [same.get(id_, id_) for id_ in found_by(one)] for what, one in found.items()} == {
        what: [*more.get(what, []), what] for what in found
    }
    assert {one.stage for one in found.values()} == {Stage.HOUR}
    assert found_by(until_rehearsed(system, good)) == []

    def told() -> list[str]:
        parts = "\n\n".join(wecom.texts).split("\n\n")
        return [one for one in parts if "will not go as it is meant" in one]

    until(lambda: len(told()) >= len(campaigns), 60, "a notice of each")
    assert len(told()) == len(campaigns)
    for campaign in campaigns.values():
        [text] = [one for one in told() if f"campaign {campaign.name} at " in one]
        # Each command does what it says: the run is as faulty as before.
        assert commands_of(text)[-1] == ["campaigns", "run", campaign.name, "--rehearse"]
    for name in ("gone", "no draft", "unsynced", "everybody"):
        system.broadcast("campaigns", "run", name, "--rehearse", status=1)
    assert system.simulator.mass_calls() == []
    assert system.all_reports() == []


def test_a_run_is_rehearsed_a_day_and_an_hour_before_and_anew_after_an_edit_whoever_is_killed(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=20)
    list_file = system.folder / "list.txt"
    day, hour = (
        add(system, name, account="default", ahead=ahead)
        for name, ahead in (("day", 20 * HOUR), ("hour", HOUR))
    )
    far = add(system, "far", account="default", ahead=25 * HOUR)
    system.worker().kill()
    system.worker(), system.beat()

    assert until_rehearsed(system, day).stage is Stage.DAY
    assert until_rehearsed(system, hour).stage is Stage.HOUR
    assert found_by(rehearsed(system, day)[0]) == ["error.audience.missing_file"]
    assert rehearsed(system, far) == []

    list_file.write_text("\n".join(system.simulator.openids(20)) + "\n", "ascii")
    current = campaign_rows.named(system.engine, "hour")
    campaign_edits.edit(system.engine, current, current.plan, who="operator")
    again = until_rehearsed(system, hour, 2)
    assert (again.version, found_by(again)) == (2, [])
    assert len(rehearsed(system, day)) == 1
    told = json.loads(
        system.broadcast("campaigns", "show", "hour", "--json").stdout.splitlines()[-1]
    )
    assert told["name"] == "hour"


@pytest.mark.prove
def test_a_rehearsal_keeps_no_launch_waiting_and_one_whose_worker_dies_is_made_by_the_next(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=20)
    people = system.simulator.openids(20)
    (system.folder / "list.txt").write_text("\n".join(people) + "\n", "ascii")
    slow = system.simulator.fault("slow", when="before", path=QUOTA, seconds=60, count=1)
    hour = add(system, "hour", account="default")
    first, _ = system.worker(), system.beat()
    until(
        lambda: any(one["number"] == slow and one["fired"] for one in system.simulator.faults()),
        60,
        "the rehearsal's call",
    )

    add(system, "now", account="default", ahead=timedelta(seconds=2))
    until(lambda: len(system.all_reports()) == 1, 60, "the launch")
    assert rehearsed(system, hour) == []
    first.kill()
    system.worker()

    assert found_by(until_rehearsed(system, hour)) == []
    until(lambda: system.simulator.ledger_dump() == dict.fromkeys(people, 1), 60, "the send")
