"""What pages and lists show, read in one call each. Changes nothing."""
