"""Extractors of features, in which sets of pictures are compared."""
