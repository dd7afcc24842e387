"""Locations, documents, locks and logs of a workspace."""
