"""Where broadcasts come from: audience and content are checked and stored, then rung for."""
