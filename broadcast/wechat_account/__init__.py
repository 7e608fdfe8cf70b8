"""One account at WeChat: its client with the shared access_token, and its replies as outcomes."""
