"""Rows: transactions, typed and locked rows, lanes and due times, what is known, figures."""
