"""What happens beside the steps of a training: epoch ends, progress, commands, checkpoints, resources."""
