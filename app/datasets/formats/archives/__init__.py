"""Archives: which kinds, their directories, the names in them."""
