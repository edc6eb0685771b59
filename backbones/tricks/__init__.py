"""The refinements of the paper: one module each."""
