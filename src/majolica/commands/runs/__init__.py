"""`majolica runs ...`: what several runs, or several steps of one, have reached."""
