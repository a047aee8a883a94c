"""Whether painted pictures are copies of training pictures."""
