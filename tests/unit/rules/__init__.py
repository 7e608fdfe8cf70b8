"""Tests of the rules: pure, without sockets."""

from __future__ import annotations
