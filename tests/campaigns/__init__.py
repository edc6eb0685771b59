"""Campaigns: the program is killed, given damaged files and starved, thousands of times, and every ending is judged."""
