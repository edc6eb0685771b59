"""Parts of detectors and segmentors that OpenMMLab lacks, or has in compiled form alone."""
