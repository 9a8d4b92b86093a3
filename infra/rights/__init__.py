"""Who may do what: the rights of each layer's identity, made from the kinds that the layer's stacks declare; pure."""
