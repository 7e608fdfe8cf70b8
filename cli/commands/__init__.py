"""One file a command, each with a Typer ``app``; imported when it is called."""
