"""Pictures of an evaluation, drawn from its per-image results."""
