"""What frozen layers gave, kept on disk."""
