"""Tests of the core: pure, without sockets."""

from __future__ import annotations
