"""What forbids calls: gates, the circuit breaker, and why a broadcast makes no call now."""

from __future__ import annotations
