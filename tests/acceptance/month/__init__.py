"""A simulated month of an installation, and the person who reads its chat."""
