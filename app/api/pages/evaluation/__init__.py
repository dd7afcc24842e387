"""How good a model is, and on which images it fails."""
