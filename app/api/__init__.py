"""Routers, presentation and security: parse, make one core call, present."""
