"""One image in, its prediction out."""
