"""How well pictures have the properties that were asked for."""
