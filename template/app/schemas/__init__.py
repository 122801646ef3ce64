"""What comes in and what goes out, one file a table."""
