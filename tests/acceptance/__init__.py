"""Tests of the whole system: real servers, real workers, the simulator."""
