"""Plan: whom a broadcast goes to, who is left out, the cut into calls, and the proof."""
