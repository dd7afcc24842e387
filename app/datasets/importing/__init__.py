"""The jobs that check a source and import it."""
