"""The one place that opens pictures, so that training, use, evaluation, shards, downloads and inspection all see the
same.

Whatever its file holds, a picture comes out as 8-bit sRGB, upright, with white behind its transparent parts.
"""
