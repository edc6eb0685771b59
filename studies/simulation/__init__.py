"""How often the rules of ``studies.statistics`` are right where the truth is known."""
