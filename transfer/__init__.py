"""From a trained trunk to detection, segmentation and a comparison."""
