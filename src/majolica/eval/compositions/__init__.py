"""Prompts of several things, backgrounds and places, and the rules that judge their pictures."""
