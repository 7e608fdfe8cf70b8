"""The ledger: what is written to the tables, as named verbs, each one short transaction.

Its rooms, from the top; each imports only those below it. ``audit`` doubts all of it. ``views``
reports. ``steer`` carries out operators' commands, retries and sweeps. ``outcomes`` stores how
accepted jobs ended, and what a person says of batches in doubt. ``submit`` makes a request and its
list a broadcast. ``plan`` cuts it into batches and takes people out. ``lane`` leases, claims,
records, and applies what follows. ``gates`` closes and opens what forbids calls. ``lists``,
``followers`` and ``boxes`` hold OpenIDs, our copy of WeChat's followers, and what comes in and goes
out. ``rows`` has transactions, typed rows and the lock of a lane.
"""
