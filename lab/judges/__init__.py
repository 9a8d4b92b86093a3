"""What others' programs say of the manifests that we render, and which of it we answer with a reason."""
