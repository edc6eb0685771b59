"""Images with masks, in the layouts and codings of other data sets: one reading, one check."""
