"""Checkpoints of other programs: read, a network found in them, every tensor accounted for."""
