"""Small sources that were once read wrongly, each with a README that says what is right."""
