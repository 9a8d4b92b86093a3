"""The demo: both data centres on this machine, a whole move under citizens' traffic, and what it proved.

It drives the same commands that a person would type; it knows no inside of the migration.
"""
