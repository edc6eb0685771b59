"""One benchmark per file; see ``benchmarks.harness.registry``."""
