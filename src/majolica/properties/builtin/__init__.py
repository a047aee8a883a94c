"""The properties that come with Majolica: each file holds one `PROPERTY`, and its name is that of the file."""
