"""Followers: our copy of WeChat's list, the passes that make it, what pushes changed."""
