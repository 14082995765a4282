"""Model files and the models themselves."""
