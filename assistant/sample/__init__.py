"""The sample workspace: a bicycle-repair cooperative."""
