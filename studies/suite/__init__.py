"""A whole study from one file: which runs it takes, in which order, where, and whether the outcome is as expected."""
