"""Steps and whole trainings."""
