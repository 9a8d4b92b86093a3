"""What the stacks declare, without an engine: recorded under mocks, written as manifests; it reaches no cluster."""
