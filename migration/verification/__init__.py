"""The proofs; each judges, none repairs."""
