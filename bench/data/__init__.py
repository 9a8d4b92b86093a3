"""The bench of the data plane: our movers and proofs beside those of others, on the same data and the same servers."""
