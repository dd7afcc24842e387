"""What an image can be annotated with: one module per kind of annotation, found by the registry. No torch."""
