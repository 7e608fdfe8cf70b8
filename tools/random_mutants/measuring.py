"""A pytest plugin: which test reaches which line of the product, and how long each test takes.

Every process of a run writes what it saw into the folder that `RANDOM_MUTANTS_REACH` names.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

from tools.random_mutants import steady

FOLDER = "RANDOM_MUTANTS_REACH"
PACKAGES = "RANDOM_MUTANTS_PACKAGES"


class Measure:
    """Lines by test, and seconds by test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._coverage = coverage.Coverage(
            data_file=str(folder / "lines"),
            data_suffix=True,
            config_file=False,
            source_dirs=os.environ[PACKAGES].split(),
        )
        self._seconds: dict[str, float] = defaultdict(float)
        self._passed: dict[str, bool] = {}
        self._coverage.start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note under the test's name what is run from its set-up to its teardown."""
        self._coverage.switch_context(item.nodeid)
        result = yield
        self._coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the seconds of a test's parts."""
        self._seconds[report.nodeid] += report.duration
        self._passed[report.nodeid] = self._passed.get(report.nodeid, True) and report.passed

    def pytest_sessionfinish(self) -> None:
        """Write it all down."""
        self._coverage.stop()
        self._coverage.save()
        seconds = {test: self._seconds[test] for test, passed in self._passed.items() if passed}
        name = f"seconds-{uuid.uuid4().hex}.json"
        (self._folder / name).write_text(json.dumps(seconds), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Begin before any module of the product is imported."""
    steady.begin()
    config.pluginmanager.register(Measure(Path(os.environ[FOLDER])), "measure")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs another database than SQLite, or RabbitMQ."""
    steady.leave_out(config, items)
