"""What is around a face: light, background, hands and things before it."""
