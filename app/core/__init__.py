"""One service per noun. Knows no HTTP and no torch."""
