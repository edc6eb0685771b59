"""What a GPU is asked, in steps: what docs/gpu.md is made by."""
