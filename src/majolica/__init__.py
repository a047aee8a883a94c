"""Majolica: one visual foundation model that sees and paints, and the system that trains it."""

__version__ = "0.1.0"
