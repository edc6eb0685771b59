"""Weights that others trained, as bundles: torchvision's and timm's classifiers of the paper's networks."""
