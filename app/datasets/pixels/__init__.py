"""Pixel values: colours, bit depths, the scale of a dataset."""
