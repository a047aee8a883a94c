"""Distances between sets of pictures, on the features of an extractor."""
