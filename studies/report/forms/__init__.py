"""A comparison in other forms than the page: text, Markdown, CSV, JSON and LaTeX."""
