"""Live views of the event log: SSE and WebSocket."""
