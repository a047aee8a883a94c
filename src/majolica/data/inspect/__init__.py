"""Looks at shards before training: what is measured, what is found twice, and the page about it."""
