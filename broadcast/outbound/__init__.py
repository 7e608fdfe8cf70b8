"""Posts to receivers of other programs: where they may lead, and what came of them."""
