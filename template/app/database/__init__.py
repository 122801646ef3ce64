"""Engines, sessions and the rules that keep a pooled connection honest. Imports no layer above it."""
