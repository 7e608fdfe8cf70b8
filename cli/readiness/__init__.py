"""Whether this machine can send: asked of WeChat and the clocks, and printed line by line."""
