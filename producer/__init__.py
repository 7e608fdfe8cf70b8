"""Where broadcasts come from: an audience is read, a content checked, both stored, then rung for."""
