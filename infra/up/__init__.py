"""Brings many stacks up with one command: what they share is started once. Each stays a stack of its own."""
