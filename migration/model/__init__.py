"""Frozen words of the domain; no I/O."""
