"""One file per stage: what each component does, how it is probed, undone and proved."""
