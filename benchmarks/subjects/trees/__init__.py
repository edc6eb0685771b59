"""Whole data sets made of hard links: what their size costs."""
