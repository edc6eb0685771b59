"""Whether rows, or seeds, are good and bad together."""
