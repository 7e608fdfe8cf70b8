"""WeChat over HTTP: a typed client that knows nothing of batches.

What holds a secret is ``SecretStr``; what goes wrong is in ``wechat.errors``.
"""
