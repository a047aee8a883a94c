"""Measures of how far two sets of features are apart: pure mathematics, in double precision."""
