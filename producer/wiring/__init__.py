"""The parts of a process, each built when it is first needed, whichever process needs it."""
