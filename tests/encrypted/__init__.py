"""Proofs that need servers with TLS."""
