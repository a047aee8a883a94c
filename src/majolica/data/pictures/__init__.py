"""The one place that opens pictures: training, use, evaluation, shards, downloads and inspection all see the same.

A picture comes out as 8-bit sRGB, upright, transparent parts over white, whatever its file holds.
"""
