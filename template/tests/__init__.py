"""Tests mirror `app/`; `contract/` holds what is true of every table."""
