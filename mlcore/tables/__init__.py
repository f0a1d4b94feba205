"""Tables of rows in files: read in parts, checked, answered and written, a column at a time."""
