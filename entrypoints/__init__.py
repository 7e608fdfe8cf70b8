"""Entry points: command line, HTTP API and callback server. Each parses, calls, shows."""
