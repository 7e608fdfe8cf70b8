"""Samples in the form that monitors read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from broadcast.data_files import parsed
from broadcast.rules.metrics import Samples

PREFIX: Final = "broadcast_"
#: Of each metric of the API its labels and what it means.
METRICS: Final[Mapping[str, tuple[list[str], str]]] = parsed(__file__, "metrics.json")
#: Every scraper reads it.
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


def exposed(samples: Samples, *, may_see: Callable[[str], bool]) -> bytes:
    """Return the samples as a page; of accounts those that *may_see* says."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Samples(samples, may_see))
    return generate_latest(registry)


class _Samples(Collector):
    def __init__(self, samples: Samples, may_see: Callable[[str], bool]) -> None:
        self._samples, self._may_see = samples, may_see

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for name, (labels, meaning) in METRICS.items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(PREFIX + name, meaning, labels=labels)
            for values, value in sorted(self._samples.get(name, {}).items()):
                if "account" not in labels or self._may_see(values[0]):
                    family.add_metric(values, value)
            yield family
