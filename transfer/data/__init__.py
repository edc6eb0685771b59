"""Checks of detection and segmentation data sets, made before anything trains on them."""
