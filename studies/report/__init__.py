"""The page that a comparison becomes: ``report/index.html``, one file without a network, and its tables in LaTeX."""
