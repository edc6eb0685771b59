"""Suites that add seeds where a verdict is open and could still close."""
