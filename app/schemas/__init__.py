"""Records, inputs, events and the envelope, as pydantic models."""
