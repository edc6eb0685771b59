"""One module for each format that scenes are read from."""
