"""What a dry run reports: problems, accounts, previews."""
