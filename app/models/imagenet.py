"""The normalisation that published weights expect. No torch: the web side reads it in the tasks' specs."""

from __future__ import annotations

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
