"""Safety against ourselves: what a run would do to data, secrets and dependants, judged before it writes; all pure."""
