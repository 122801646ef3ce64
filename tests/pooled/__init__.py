"""Proofs about connections by way of a pooler: run in a rendered project, which has PgBouncer beside its server."""
