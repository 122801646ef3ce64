"""Every SQL statement, one file a table: functions that take a session and never commit."""
