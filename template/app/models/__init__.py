"""Tables, one file each. A new file here is found by the application, by Alembic and by the tests."""
