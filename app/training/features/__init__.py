"""Features of a frozen backbone: computed once, then trained on."""
