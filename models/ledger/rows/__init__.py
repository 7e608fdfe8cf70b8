"""Rows: transactions, typed and held rows, lanes and due times, what is known, figures."""
