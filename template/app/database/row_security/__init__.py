"""Row Level Security: PostgreSQL itself keeps each user to the rows that are theirs."""
