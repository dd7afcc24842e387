"""What an import preview reports: problems, accounts, previews."""
