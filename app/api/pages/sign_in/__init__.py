"""Sign-in and the end of a session."""
