"""Variables of a campaign's texts, for the due time and in its zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from broadcast.errors import InputError
from broadcast.rules.campaigns.template import Template, load, stored
from broadcast.rules.campaigns.variables import rendered, values

#: Monday in Shanghai, and Sunday in New York.
DUE = datetime(2026, 11, 30, 1, 5, tzinfo=UTC)
KNOWN = values(DUE, "Asia/Shanghai")


def test_each_is_rendered_by_the_clock_of_the_zone() -> None:
    text = "{date} {date_zh} {year} {month} {day} {time} {week} {weekday} {weekday_en}"

    assert rendered(text, KNOWN) == "2026-11-30 11月30日 2026 11 30 09:05 49 周一 Monday"
    new_york = values(DUE, "America/New_York")
    assert rendered("{date} {weekday}", new_york) == "2026-11-29 周日"


@pytest.mark.parametrize("text", ["a {{ b }} c", "{{}}", "{{date}}", "{{", "}}", "｛优惠｝"])
def test_braces_that_are_no_variable_stay(text: str) -> None:
    assert rendered(text, KNOWN) == text.replace("{{", "{").replace("}}", "}")


@pytest.mark.parametrize(
    ("text", "message_id", "name", "known"),
    [
        ("{dat}", "error.campaign.variable_near", "dat", "{date}"),
        ("{日期}", "error.campaign.variable", "日期", "{date}, {date_zh}"),
        ("{ date }", "error.campaign.variable_near", " date ", "{date}"),
        ("a { b } c", "error.campaign.variable", " b ", "{date}, {date_zh}"),
        ("{}", "error.campaign.variable", "{}", "{date}, {date_zh}"),
        ("{\n}", "error.campaign.variable", "{?}", "{date}, {date_zh}"),
        (f"{{{'x y ' * 30}}}", "error.campaign.variable", f"{'x y ' * 9}x y…", "{date}"),
    ],
)
def test_an_unknown_one_is_refused_with_what_it_may_have_meant(
    text: str, message_id: str, name: str, known: str
) -> None:
    with pytest.raises(InputError) as error:
        rendered(text, KNOWN)
    assert (error.value.message_id, error.value.facts["name"]) == (message_id, name)
    assert str(error.value.facts["known"]).startswith(known)


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        ("{date 直播", "error.campaign.braces"),
        ("date} 直播", "error.campaign.braces"),
        ("{{date}", "error.campaign.braces"),
        ("} 直播 {", "error.campaign.braces"),
        ("｛date_zh｝ 直播", "error.campaign.wide_braces"),
        ("｛ date_zh }", "error.campaign.wide_braces"),
        ("{date_zh｝", "error.campaign.wide_braces"),
    ],
)
def test_braces_that_would_go_out_as_they_stand_are_refused(text: str, message_id: str) -> None:
    with pytest.raises(InputError) as error:
        rendered(text, KNOWN)
    assert error.value.message_id == message_id


def test_of_a_request_the_text_and_the_titles_are_rendered_and_nothing_else() -> None:
    template = Template(
        request={
            "content": {"msgtype": "text", "text": {"content": "{day}"}},
            "title": "{month}",
            "exclude": ["{date}"],
        },
        draft_title="New {date}",
        audience_file="/lists/{date}.txt",
    )

    found = template.rendered(DUE, "Asia/Shanghai")

    assert found.request["content"]["text"]["content"] == "30"
    assert (found.request["title"], found.draft_title) == ("11", "New 2026-11-30")
    assert found.request["exclude"] == ["{date}"]
    assert found.audience_file == "/lists/{date}.txt"
    assert template.request["title"] == "{month}"


def test_a_template_of_a_newer_release_is_not_read_without_what_is_unknown() -> None:
    kept = stored(Template(request={"title": "t"}, exclude_files=("a.txt",)))

    assert load(kept).exclude_files == ("a.txt",)
    with pytest.raises(ValueError, match="exclude_some"):
        load(kept.replace('"exclude_files"', '"exclude_some"'))
