"""AI Studio: a folder of images becomes a trained, evaluated and exported model."""
