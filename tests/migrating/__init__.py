"""Proofs of migrations, run inside a rendered project: in processes, as deployments start them."""
