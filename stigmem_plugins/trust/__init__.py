"""Whose plugins may run: decided before a line of them does."""
