"""Reading, writing, splitting and augmenting image data sets."""
