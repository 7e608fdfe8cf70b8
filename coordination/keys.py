"""Every Redis key of this package, built in one place.

===================================  ======  ====================================================
key                                  type    holds
===================================  ======  ====================================================
``…broadcast:{A}:token``             hash    the shared access_token of account A: ``value``,
                                             ``generation``, ``expires_at``, ``fetched_at``,
                                             ``refresh_at`` (epoch ms), ``reason``, ``superseded``;
                                             lives as long as the token
``…broadcast:{A}:token:lock``        string  nonce of the one refresher, for its lease
``…broadcast:{A}:token:generation``  string  how many tokens account A had; informative
``…broadcast:{A}:token:failure``     string  JSON of the last failed refresh, for some seconds
``…broadcast:{A}:token:forced``      list    epoch ms of the ``force_refresh`` calls of a day
``…broadcast:{A}:token:drift``       string  epoch ms of the last replacement outside this system
``…broadcast:{A}:limiter``           hash    ``last`` slot taken (epoch µs)
===================================  ======  ====================================================

``…`` is the prefix that keeps two installations apart in one Redis database. The braces are
real: they keep the keys of one account on one node of a Redis Cluster, as its scripts need.
"""

from __future__ import annotations

from broadcast.frozen import frozen


@frozen
class Keys:
    """The names of the keys, behind the prefix of this installation."""

    prefix: str = ""

    def token(self, account: str) -> str:
        """Return the key of the shared access_token."""
        return self._key(account, "token")

    def lock(self, account: str) -> str:
        """Return the key of the lock under which a token is fetched and written."""
        return self._key(account, "token:lock")

    def generation(self, account: str) -> str:
        """Return the key that counts tokens."""
        return self._key(account, "token:generation")

    def failure(self, account: str) -> str:
        """Return the key of the remembered failure of a refresh."""
        return self._key(account, "token:failure")

    def forced(self, account: str) -> str:
        """Return the key of the times of ``force_refresh`` calls."""
        return self._key(account, "token:forced")

    def drift(self, account: str) -> str:
        """Return the key of the last replacement of the token outside this system."""
        return self._key(account, "token:drift")

    def limiter(self, account: str) -> str:
        """Return the key of the pace of calls."""
        return self._key(account, "limiter")

    def _key(self, account: str, name: str) -> str:
        return f"{self.prefix}broadcast:{{{account}}}:{name}"
