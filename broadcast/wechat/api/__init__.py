"""WeChat's endpoints, one file a family: what is asked, what comes back, and both as bytes."""
