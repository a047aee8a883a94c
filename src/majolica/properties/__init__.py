"""Visual properties that a user can set when painting; each is one file in `builtin`."""
