"""Backbones, heads and pretrained weights: plain torch modules."""
