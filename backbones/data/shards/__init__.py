"""Images in tar archives as WebDataset names their members, read in place by an index: any image, in any order."""
