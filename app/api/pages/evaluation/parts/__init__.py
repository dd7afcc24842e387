"""How each type of report part is shown: one module per type, found by its name."""
