"""Proofs of signing in with a password, run inside a rendered project."""
