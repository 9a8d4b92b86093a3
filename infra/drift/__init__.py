"""Says what in the cluster is not as declared, who wrote it and when, and what an `up` would run into."""
