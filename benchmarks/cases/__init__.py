"""One benchmark per file; see ``benchmarks.registry``."""
