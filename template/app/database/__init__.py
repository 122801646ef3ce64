"""Engines, sessions and the rules that keep a pooled connection honest. Imports nothing else of the application."""
