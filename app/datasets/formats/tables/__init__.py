"""Tables of any kind as rows: delimited text, spreadsheets, JSON Lines, JSON records."""
