"""Chaos: random schedules of faults against the real thing, each from one printed seed.

`schedule` draws what will happen, `site` is where it happens, `actor` makes it happen, `verdict`
tells from the simulator's ledger and the database's sets what became of it, `sendalls` of sends to
WeChat's own lists, `ends` of finish events; `trial` is one run.
"""
