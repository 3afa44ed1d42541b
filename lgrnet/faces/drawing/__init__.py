"""Triangles, strokes and light to pixels, and what a camera makes of them."""
