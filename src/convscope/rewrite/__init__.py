"""Layers rewritten, with proof: the exact affine map of a layer, and what is equal to what."""
