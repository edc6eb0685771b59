"""How fast the program is, against what one would run instead. ``tools/bench.py`` runs it; one file per benchmark."""
