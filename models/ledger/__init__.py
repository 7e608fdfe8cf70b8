"""The ledger: what is written to the tables, as named verbs, each one short transaction.

A broadcast from its submit to its end: ``accounts`` registers the account, ``submits`` stores the
audience by ``uploads``, ``plans`` cuts the audience into batches,
``quotas`` reserves the calls of a day, ``leases`` gives one driver the lane, ``claims`` writes a
call down before it is made, ``records`` stores what came back, ``apply_verdict`` carries out what
follows, ``results`` stores what mass/get says, ``sweeps`` finds what was
left behind.

What stops it: ``gates`` closes and opens what forbids calls, ``due`` says when something may be
called again, ``preflight`` lets a lane wait that cannot ask WeChat, ``circuit_breaker`` notices
what repeats itself, ``operator`` carries out a person's commands, ``resolves`` and ``retries`` what
a person says of batches. ``conflicts`` notes a reply that contradicts a person.

``reading`` is what is asked and ``audit`` doubts all of it: they write nothing. Below them,
``transitions`` moves states, and leaves to a person what this program got wrong, ``rows`` types
what is read, and ``transaction`` commits.
"""
