"""Look for what would stop or slow a run on this machine, and say how to mend it."""
