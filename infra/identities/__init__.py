"""Lends an identity of the centre to a pipeline or a person for a short time; it keeps no token but in one file."""
