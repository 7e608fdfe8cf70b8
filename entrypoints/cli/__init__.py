"""The command line: each command parses, calls a use-case, and reports what came of it."""
