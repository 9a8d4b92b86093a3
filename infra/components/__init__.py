"""Parts of general use, one ComponentResource a module; a component knows nothing of one particular system."""
