"""How many statements and transactions each verb takes, held against a table."""
