"""How often the rules of ``transfer.statistics`` and ``transfer.verdict`` are right where the truth is known."""
