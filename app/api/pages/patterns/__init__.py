"""Every macro in every state."""
