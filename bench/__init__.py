"""Measures what an operator waits for; it is no part of the product, and nothing imports it."""
