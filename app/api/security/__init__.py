"""Guards in front of every route, as plain ASGI middleware."""
