"""A test that fails while WeChat's day turns is run once more, and no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.servers.day_turns import turned

pytest_plugins = ("pytester",)
ROOT = Path(__file__).resolve().parents[2]
MIDNIGHT = datetime(2026, 12, 2, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(
    ("began_s", "ended_s", "is_turned"),
    [(-60, 1, True), (60, 90, True), (180, 200, False), (-200, -1, False), (-86_000, 180, True)],
)
def test_a_day_turns_in_a_test_or_shortly_before_it(
    began_s: int, ended_s: int, is_turned: bool
) -> None:
    began, ended = (MIDNIGHT + timedelta(seconds=each) for each in (began_s, ended_s))

    assert turned(began, ended) is is_turned


@pytest.mark.parametrize("turns", [True, False])
def test_a_failure_counts_unless_the_day_turned_and_the_next_try_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, turns: bool
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest(
        f"""
        pytest_plugins = ("tests.servers.day_turns",)

        def pytest_configure():
            from tests.servers import day_turns

            day_turns.turned = lambda began, ended: {turns}
        """
    )
    pytester.makepyfile(
        """
        import pytest

        tries = []

        @pytest.fixture
        def fresh():
            tries.append("fixture")
            return len(tries)

        def test_passes_at_the_second_try(fresh):
            assert fresh == 2

        def test_never_passes():
            assert False

        def test_passes():
            pass
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:valkey", "-n", "1")

    first = 0 if turns else 1
    result.assert_outcomes(passed=2 - first, failed=1 + first)
    assert ("2 rerun" in result.stdout.str()) is turns
    assert ("test_passes_at_the_second_try failed as" in result.stdout.str()) is turns
    assert "assert 1 == 2" in result.stdout.str()
