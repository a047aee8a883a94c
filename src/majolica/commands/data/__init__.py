"""`majolica data ...`: one module a kind."""
