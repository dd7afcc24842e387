"""Queue, scheduler and child process. Knows nothing of machine learning."""
