"""Proofs of Supabase Auth, run inside a rendered project."""
