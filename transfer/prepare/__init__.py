"""Fetch, unpack and verify the data sets that the protocols name."""
