"""What is said of a run of a campaign by options, and who is asked of it."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from broadcast.rules.media import MediaKind
from broadcast.rules.plan.audience import Everyone
from broadcast.rules.states import Reason
from entrypoints.cli.campaign_lines import due_words, run_lines
from entrypoints.cli.main import run
from models.ledger.campaigns import campaign_rows, launch_rows, rehearsal_rows
from models.ledger.gates import restores
from models.ledger.lists import media
from models.ledger.outcomes import recorded_ends
from models.ledger.views import broadcast_reports
from tests.integration.models.campaign_world import run_of
from tests.integration.models.test_sendall import planned
from tests.integration.test_audience_options import TEXT, typed
from tests.integration.test_which import said
from tests.kit import dates, ledger

FRIDAYS = ("--cron", "0 20 * * 5")
FIFTH = "is message number 5 of the month to the same people"


def add(capsys: pytest.CaptureFixture[str], *audience: str) -> None:
    said(capsys, "campaigns", "add", "weekly", *audience, *TEXT, *FRIDAYS)


def runs(here: Engine) -> int:
    campaign = campaign_rows.named(here, "weekly")
    return len(launch_rows.history(here, campaign.id, most=10))


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--yes",)])
def test_the_word_for_everybody_is_refused_of_a_run_to_a_list_as_of_a_send(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    add(capsys, "--openids", "list.txt")

    refused = said(capsys, "campaigns", "run", "weekly", "--yes-to-all", *words, status=2)

    assert "--yes-to-all goes with --to-all only" in refused
    assert len(refused.splitlines()) == 1
    assert runs(here) == 0


def test_a_run_to_everybody_is_refused_where_nobody_says_so_in_as_many_words(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "--to-all", "--yes-to-all")

    refused = said(capsys, "campaigns", "run", "weekly", "--yes", status=2)

    assert "say so with --yes-to-all" in refused
    assert runs(here) == 0


@pytest.mark.usefixtures("here")
def test_whoever_types_the_name_of_the_account_may_call_the_send_off_although_yes_was_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "default")
    words = ("--to-all", "--yes", "--ignore-suppression")

    shown = said(capsys, "send", *words, *TEXT)

    assert "EVERY follower" in shown
    assert "`broadcast cancel` stops it" in " ".join(shown.split())


@pytest.mark.parametrize("at_terminal", [True, False])
@pytest.mark.usefixtures("here")
def test_what_a_send_of_its_content_is_warned_of_is_said_of_a_campaign_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, at_terminal: bool
) -> None:
    words = ("--tag", "2", "--text", rf"Doors open\n{'x' * 300}")
    for command in (("add", "weekly", *FRIDAYS), ("edit", "weekly", "--title", "Doors")):
        if at_terminal:
            typed(monkeypatch, "y")

        shown = " ".join(said(capsys, "campaigns", *command, *words).split())

        asked_at = shown.index("[y/N]") if at_terminal else len(shown)
        for warning in ("WeChat's newer rules guarantee only 300", r"The text has \n, which"):
            assert shown.count(warning) == 1
            assert shown.index(warning) < asked_at


@pytest.mark.usefixtures("here")
def test_a_key_of_a_run_is_refused_beside_the_time_of_a_held_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add(capsys, "--tag", "2")

    refused = said(capsys, "campaigns", "run", "weekly", "--key", "k", "--due", "20:00", status=2)

    assert "--key is for a run of now and does not go with --due" in refused


def question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str, answer: str
) -> str:
    """Answer the question of a command; return all that was said, in one line."""
    typed(monkeypatch, answer)
    status = 0 if answer in {"y", "default"} else 1
    return " ".join(said(capsys, "campaigns", *words, status=status).split())


@pytest.mark.usefixtures("here")
def test_the_question_says_how_many_are_in_the_list_now_and_once_of_one_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    words = ("add", "weekly", "--openids", "list.txt", *TEXT)
    at = dates.ahead(80)
    once = ("--at", dates.typed(at))

    often = question(capsys, monkeypatch, *words, *FRIDAYS, answer="n")
    one = question(capsys, monkeypatch, *words, *once, answer="n")
    monkeypatch.setenv("BROADCAST_LANG", "zh")
    chinese = question(capsys, monkeypatch, *words, *once, answer="n")

    file = tmp_path / "list.txt"
    assert f"the OpenIDs of {file} (5 now), read again when it runs" in often
    assert "at each of these times, first Fri" in often
    assert f"read again when it runs once: {at:%a %Y-%m-%d} 20:00" in one
    assert f"发给名单 {file} 中的 OpenID（现在 5 个" in chinese
    assert not {"第一次", "每次"} & set(re.findall("第一次|每次", chinese))
    assert "at night" not in often + one


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("times", "told"),
    [
        (("--cron", "30 22 * * 5"), "first at night, on Fri"),
        (("--cron", "0 7,12 1 * *"), "at night, on"),
        (("--at", "{day:%Y-%m-%d} 07:59"), "once: at night, on {day:%a %Y-%m-%d} 07:59"),
    ],
)
def test_the_question_names_the_night_as_that_of_a_send_does(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    times: tuple[str, str],
    told: str,
) -> None:
    day = dates.ahead(80)
    words = [one.format(day=day) for one in times]

    shown = question(capsys, monkeypatch, "add", "weekly", "--tag", "2", *TEXT, *words, answer="n")

    assert told.format(day=day) in shown


def test_an_edit_of_a_disabled_campaign_says_that_it_stays_disabled(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(capsys, "--tag", "2")
    said(capsys, "campaigns", "disable", "weekly")

    shown = question(capsys, monkeypatch, "edit", "weekly", "--text", "bye", answer="y")

    assert "first" not in shown
    assert "It is disabled and stays so" in shown
    assert "until `broadcast campaigns enable weekly`. [y/N]" in shown
    assert "It is disabled still. To enable it: broadcast campaigns enable weekly" in shown
    assert campaign_rows.named(here, "weekly").next_due_at is None


def test_everybody_is_sent_to_again_only_in_as_many_words(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(capsys, "--to-all", "--yes-to-all")
    said(capsys, "campaigns", "disable", "weekly")

    refused = said(capsys, "campaigns", "enable", "weekly", status=2)
    wrong = question(capsys, monkeypatch, "enable", "weekly", answer="yes")
    assert campaign_rows.named(here, "weekly").state == "disabled"
    right = question(capsys, monkeypatch, "enable", "weekly", answer="default")

    assert "say so with --yes-to-all" in refused
    assert "Enable campaign “weekly”? Without another question it sends to every follower" in wrong
    assert "Nothing was changed." in wrong
    assert "Campaign “weekly” is enabled." in right


def test_days_that_an_edit_excepts_no_more_are_named_with_what_keeps_them(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    year = datetime.now(UTC).year + 1
    first, span, last = f"{year}-12-25", f"{year}-10-01..{year}-10-07", f"{year}-12-31"
    kept = f"--except {span} --except {first} --except {last}"
    add(capsys, "--tag", "2", "--except", first, "--except", span)

    shown = question(capsys, monkeypatch, "edit", "weekly", "--except", last, answer="n")
    monkeypatch.setenv("BROADCAST_LANG", "zh")
    chinese = question(capsys, monkeypatch, "edit", "weekly", "--except", last, answer="n")

    assert re.search(f"Warning: No longer excepted: ... {year}-10-01 to ... {year}-10-07, ", shown)
    assert f"{first}. To keep: {kept}" in shown
    assert re.search(f"原来除外的 .*、{first} 周. 不再除外。要保留：{kept}", chinese)


def test_without_a_terminal_it_is_said_too_that_days_are_excepted_no_more(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    year = datetime.now(UTC).year + 1
    add(capsys, "--tag", "2", "--except", f"{year}-12-25")
    edit = ("campaigns", "edit", "weekly", "--yes", "--except")

    assert f"{year}-12-25. To keep: --except " in said(capsys, *edit, "12-31")
    more = said(capsys, *edit, f"{year}-12-20..{year}-12-31", "--except", "12-31")
    assert "To keep" not in said(capsys, *edit, "none") + more


def test_another_audience_names_again_who_is_left_out_or_that_nobody_is(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "staff.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    add(
        capsys,
        "--followers",
        "--exclude",
        "tag:3",
        "--exclude",
        "file:staff.txt",
        "--sample",
        "10%",
    )
    edit = ("campaigns", "edit", "weekly", "--yes", "--tag", "2")

    lost = said(capsys, *edit, status=2)
    no_sample = said(capsys, *edit, "--exclude", "none", status=2)
    before = campaign_rows.named(here, "weekly").plan.template
    said(capsys, *edit, "--exclude", "none", "--sample", "none")
    after = campaign_rows.named(here, "weekly").plan.template

    assert "loses what this campaign leaves out now (tag:3, file:" in lost
    assert "staff.txt). Name --exclude again; `--exclude none` leaves out nobody." in lost
    assert "loses the sample of this campaign (10%)" in no_sample
    assert (before.request["exclude"], len(before.exclude_files)) == (["tag:3"], 1)
    assert not after.request.get("exclude")
    assert after.request.get("sample") is None
    assert after.exclude_files == ()


@pytest.mark.usefixtures("here")
def test_the_first_line_says_what_an_edit_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(capsys, "--tag", "2")
    at = dates.typed(dates.ahead(80))
    edit = ("edit", "weekly", "--at", at, "--text", "bye", "--missed", "late")

    shown = question(capsys, monkeypatch, *edit, "--title", "spring", answer="n")

    assert shown.startswith(
        f"Changes: --cron 0 20 * * 5 → --at {at} · Text: Doors open … → Text: bye"
        " · --missed ask → late · --title none → spring · no longer every “0 20 * * 5”"
    )


def test_a_held_run_whose_campaign_was_edited_is_released_by_either_of_two_commands(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    add(capsys, "--openids", "list.txt")
    campaign = campaign_rows.named(here, "weekly")
    launch, _ = launch_rows.run_now(here, campaign, run_of(campaign), key="k", who="li")
    launch_rows.hold(here, launch, Message("launch.missed"))
    release = f"broadcast campaigns run weekly --due '{due_words(launch.due_at, 'Asia/Shanghai')}'"
    assert f"To send it all the same: {release}" in " ".join(
        said(capsys, "campaigns", "list").split()
    )

    said(capsys, "campaigns", "edit", "weekly", "--text", "Doors open at ten")

    for command in (("list",), ("show", "weekly")):
        shown = " ".join(said(capsys, "campaigns", *command).split())
        assert f"as it was (Text: Doors open at nine): {release} To send" in shown
        assert f"as the campaign is now (Text: Doors open at ten): {release} --edited" in shown
    words = shlex.split(release)[2:]
    before = question(capsys, monkeypatch, *words, answer="n")
    now = question(capsys, monkeypatch, *words, "--edited", answer="n")
    assert "as it was before the campaign was edited (Text: Doors open at nine)." in before
    assert "as the campaign is now (Text: Doors open at ten)." in now


def test_the_state_of_the_whole_counts_the_runs_that_only_a_person_lets_go(
    here: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    add(capsys, "--openids", "list.txt")
    ledger.published(here, ledger.body())
    campaign = campaign_rows.named(here, "weekly")
    launch, _ = launch_rows.run_now(here, campaign, run_of(campaign), key="k", who="li")
    assert "held" not in said(capsys, "status")

    launch_rows.hold(here, launch, Message("launch.missed"))

    assert "1 run of a campaign is held" in said(capsys, "status")
    said(capsys, "campaigns", "remove", "weekly", "--yes")
    assert "held" not in said(capsys, "status")


@pytest.mark.usefixtures("here")
def test_a_dry_run_names_once_the_limit_beyond_which_the_run_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = datetime.now(UTC)
    for n in range(1, 6):
        at = (now + timedelta(minutes=n)).isoformat(timespec="seconds")
        said(capsys, "campaigns", "add", f"tag-{n}", "--tag", "2", *TEXT, "--at", at)

    fourth = said(capsys, "campaigns", "run", "tag-4", "--dry-run")
    fifth = said(capsys, "campaigns", "run", "tag-5", "--dry-run", status=1)

    assert FIFTH in fifth
    assert "the plan does not fit" in fifth
    assert "of the month to the same people" not in fourth


@pytest.mark.usefixtures("here")
def test_a_service_account_may_send_to_everybody_twice_a_day(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """WeChat's pages limit the messages of the month, those of the console included."""
    at = (datetime.now(UTC) + timedelta(minutes=5)).isoformat(timespec="seconds")
    words = ("--to-all", "--yes-to-all", *TEXT, "--at", at)
    first = said(capsys, "campaigns", "add", "first", *words)
    second = said(capsys, "campaigns", "add", "second", *words)

    assert "WeChat allows" not in first + second
    tried = said(capsys, "campaigns", "run", "second", "--dry-run")
    assert "the plan fits" in tried
    assert "WeChat allows 1" not in tried


@pytest.mark.usefixtures("here")
def test_a_dry_run_of_the_next_time_is_no_double_send(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    add(capsys, "--openids", "list.txt")
    said(capsys, "send", "--openids", "list.txt", *TEXT)

    assert "Dry run: the plan fits" in said(capsys, "campaigns", "run", "weekly", "--dry-run")
    assert "--again" in said(capsys, "campaigns", "run", "weekly", status=2)
    assert "--again" in said(capsys, "campaigns", "run", "weekly", "--dry-run", "--now", status=2)


def test_a_run_is_cut_as_a_send_is_and_a_dry_run_of_it_shows_all(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "list.txt").write_text("\n".join(ledger.openids(5)), encoding="ascii")
    (tmp_path / "out.txt").write_text("\n".join(ledger.openids(2)), encoding="ascii")
    text = "\n".join(f"line {n}" for n in range(9))
    options = ("--exclude", "file:out.txt", "--priority", "5", "--title", "spring", *FRIDAYS)
    said(capsys, "campaigns", "add", "weekly", "--openids", "list.txt", "--text", text, *options)
    campaign = campaign_rows.named(here, "weekly")
    launch, _ = launch_rows.run_now(here, campaign, run_of(campaign), key="k", who="li")
    launch_rows.hold(here, launch, Message("launch.missed"))
    due = due_words(launch.due_at, "Asia/Shanghai")

    shown = question(capsys, monkeypatch, "run", "weekly", answer="n")
    held = question(capsys, monkeypatch, "run", "weekly", "--due", due, answer="n")

    assert "line 8" not in shown
    assert "the same command with --dry-run --now shows all" in shown
    assert "the same command with --dry-run shows all" in held
    whole = " ".join(said(capsys, "campaigns", "run", "weekly", "--dry-run", "--now").split())
    assert "line 8" in whole
    assert "Priority 5" in whole
    apart = said(capsys, "campaigns", "run", "weekly", "--now", "--due", due, status=2)
    assert "--now does not go with --due" in apart


@pytest.mark.usefixtures("here")
def test_sends_by_hand_to_the_list_of_a_file_count_with_the_runs_of_a_campaign_that_reads_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, size in (("list", 20), ("copy", 20), ("other", 19)):
        (tmp_path / f"{name}.txt").write_text("\n".join(ledger.openids(size)), encoding="ascii")
    add_once(capsys, "first", "list")
    for n in range(3):
        said(capsys, "send", "--openids", "list.txt", "--yes", "--text", f"by hand {n}")

    told = {name: add_once(capsys, f"to-{name}", name) for name in ("other", "copy")}
    listed = said(capsys, "campaigns", "list")
    for name in told:
        said(capsys, "campaigns", "remove", f"to-{name}")
    # The file's people are the same, whoever has come or gone since.
    (tmp_path / "list.txt").write_text((tmp_path / "other.txt").read_text())
    told["list"] = add_once(capsys, "to-list", "list")

    assert [name for name, text in told.items() if FIFTH in text] == ["copy", "list"]
    assert FIFTH in listed


def add_once(capsys: pytest.CaptureFixture[str], name: str, file: str) -> str:
    """Add a campaign of one time to the list of a file; return what is said."""
    soon = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    words = ("--openids", f"{file}.txt", *TEXT, "--at", soon)
    return said(capsys, "campaigns", "add", name, *words, "--yes")


@pytest.mark.usefixtures("here")
def test_of_a_campaign_and_a_limit_one_line_says_how_often_it_is_passed_its_own_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECHAT_ACCOUNT_KIND", "subscription")
    every_day = ("--to-all", "--yes-to-all", *TEXT, "--cron")
    said(capsys, "campaigns", "add", "morning", *every_day, "0 9 * * *")

    added = said(capsys, "campaigns", "add", "dawn", *every_day, "0 8 * * *")
    listed = said(capsys, "campaigns", "list")

    for told in (added, listed):
        warnings = [one for one in told.splitlines() if "allows a subscription account" in one]
        assert len(warnings) == 1, told
        assert re.search(r"Before it: .* dawn\. It is so \d+ times more, the last at ", warnings[0])
    own = [one.partition(" at ")[0] for one in added.splitlines() if one.startswith("Warning: ")]
    assert own == sorted(own, key=lambda one: "dawn" not in one)


def test_what_keeps_an_account_stands_before_its_campaigns(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "--to-all", "--yes-to-all")
    said(capsys, "halt")

    run(["campaigns", "list"])

    assert "broadcast unhalt --account default" in capsys.readouterr().err
    restores.close_lanes(here, Reason.OTHER_PLACE)
    run(["campaigns", "list"])
    assert "\n    broadcast restored" in capsys.readouterr().err


def test_what_was_found_of_the_next_run_is_shown_whatever_was_rehearsed_after_it(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    minute = (datetime.now(UTC) + timedelta(minutes=30)).minute
    said(capsys, "campaigns", "add", "hourly", "--tag", "2", *TEXT, "--cron", f"{minute} * * * *")
    ahead = rehearsal_rows.missing(here, accounts=["default"])
    assert len(ahead) > 20

    for one, name in zip(ahead, ("rehearsal.never", *["rehearsal.stopped"] * 30), strict=False):
        rehearsal_rows.record(here, one, [Message(name, account="default")])

    for words in (("list",), ("show", "hourly")):
        shown = said(capsys, "campaigns", *words)
        assert "will not go as it is meant" in shown
        assert "No worker has ever been at work" in shown
        assert "is stopped" not in shown


M = "M" * 43
#: Options of a content, and by what it is known.
CONTENTS = (
    (("--image", M, "--image", "N" * 43), f"Content (pictures): photo.jpg ({M}), {'N' * 43}"),
    (("--voice", M), f"Content (voice): photo.jpg ({M})"),
    (("--video", M), f"Content (video): photo.jpg ({M})"),
    (("--mpnews", M), f"Content (article): {M}"),
    (("--card", "pFS7Fjg8kV1IdDz01r4SQwMkuCKc"), "Content (card): pFS7Fjg8kV1IdDz01r4SQwMkuCKc"),
)


@pytest.mark.parametrize(("words", "known"), CONTENTS)
def test_what_a_campaign_sends_is_named_in_its_question_and_where_it_is_shown(
    here: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    known: str,
) -> None:
    kind = MediaKind({"--voice": "voice", "--video": "mpvideo"}.get(words[0], "image"))
    media.remember(
        here,
        ledger.account(),
        media_id=M,
        name="photo.jpg",
        kind=kind,
        permanent=True,
        fingerprint="f",
        size=1,
    )
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds")
    added = ("add", "once", "--tag", "2", *words, "--at", at)

    assert known in question(capsys, monkeypatch, *added, answer="y")
    assert known in " ".join(said(capsys, "campaigns", "show", "once").split())
    monkeypatch.setenv("BROADCAST_LANG", "zh")
    assert known.rpartition(" ")[2] in said(capsys, "campaigns", "show", "once")


def test_a_run_of_which_wechat_gave_no_counts_says_so_once_none_are_to_come(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "--to-all", "--yes-to-all")
    campaign, broadcast_id = campaign_rows.named(here, "weekly"), planned(here, Everyone())

    def sums() -> object:
        [report] = broadcast_reports.reports(here, ids=[broadcast_id])
        [line] = run_lines(campaign, run_of(campaign), report, now=report.now)
        return line.facts["sums"]

    assert sums() == Message("campaign.no_sums")
    ledger.Driver(here).call(ledger.said(0, msg_id=1))
    assert sums() == Message("campaign.no_sums")
    batch = ledger.batch(here, broadcast_id)
    recorded_ends.record_status(here, batch, "SEND_SUCCESS", waits=Waits())
    assert sums() == Message("campaign.no_counts")
