"""Between settings and results: what is to be done, and the programs that do it."""
