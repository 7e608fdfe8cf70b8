"""Readings: what the ledger says, to persons, to workers and to its own verbs; none of them writes.

``reports`` adds up where a broadcast stands, ``recipients`` streams the OpenIDs of a set,
``in_flight`` are the calls under way, ``closed_gates`` what forbids calls, ``history`` who did
what. ``known`` are accounts and ids, ``held_rows`` what a verb holds, ``next_work`` is what a lane
does next, ``driven`` what it calls first and whether anybody drives it.

``overlaps`` says who of a new list got an earlier broadcast, may have, or will; ``newer`` who of
what an old broadcast would call got a newer one. Both compare lists by ``members``.

For a person who settles a batch: ``possibly_sent`` says which calls WeChat may have taken and when
they began, ``msg_id_owner`` whose a msg_id is, ``retry_verdicts`` what a retry would do.

A reading imports no verb: a rule of the import linter holds that.
"""
