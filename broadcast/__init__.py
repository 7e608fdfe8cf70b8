"""The core: vocabulary and rules of a broadcast, without any I/O but settings."""
