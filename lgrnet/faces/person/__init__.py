"""One person: shape, skin and its folds, resting face, hair, lashes, glasses."""
