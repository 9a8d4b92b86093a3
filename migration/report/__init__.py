"""The evidence of a run, as data and as one page that people read."""
