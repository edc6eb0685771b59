"""ImageNet classifiers trained as in Bag of Tricks (arXiv 1812.01187); needs torch and torchvision only."""
