"""The command line: each command parses, calls a use-case, and tells a person what came of it."""
