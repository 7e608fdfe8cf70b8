"""Where broadcasts come from: audience and content are checked and stored, a worker is woken."""
