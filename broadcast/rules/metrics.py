"""Samples of metrics, as they are read; ``broadcast.views.metrics`` says what each means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

#: A figure by the values of its metric's labels.
Figures: TypeAlias = Mapping[tuple[str, ...], float]
#: By the name of the metric, without the prefix that all have.
Samples: TypeAlias = Mapping[str, Figures]
