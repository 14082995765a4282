"""What is kept and fetched: databases, passages, memories, history."""
