"""WeChat over HTTP: a typed client that knows nothing of batches and imports nothing of ours.

``wechat.client`` makes the calls; ``wechat.api`` has one file a family of endpoints: what is asked,
what comes back, and both as bytes. What holds a secret is ``SecretStr``; what goes wrong is in
``wechat.errors``.
"""
