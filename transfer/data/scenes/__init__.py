"""Images with boxes, in whatever format they come: one representation, one check, one data set that trains on it."""
