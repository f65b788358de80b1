"""Trained and training networks: what their activations and gradients do, and one verdict a layer."""
