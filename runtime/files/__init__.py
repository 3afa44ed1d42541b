"""Files: written whole or not at all, named after others, told apart, kept to save time."""
