"""One module a layer: each composes components for its stack and exports what later readers need."""
