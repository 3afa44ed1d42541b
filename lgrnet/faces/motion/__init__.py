"""What a face does: action units, which of them appear together, the geometry and the labels."""
