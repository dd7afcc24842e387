"""Splits: the list, the preview of a new one, the classes of one."""
