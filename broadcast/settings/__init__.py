"""Settings: the environment, ``.env`` and the accounts file, read and checked at once."""
