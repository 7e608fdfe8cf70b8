"""Trials of "stop means stop": the real command against a lane under way, held to the clock.

One installation serves many trials, one after the other. In each, a broadcast of small batches is
being sent and another one waits behind it in the same lane, while a lane beside it never rests:
its calls show that the workers drive on, and they are the clock that a stopped lane does not have.
Where the word is `halt --all` that lane is stopped as well, and sweeps take its place.
"""
