"""Exact arithmetic, layer by layer and cell by cell; the oracle that everything else is tested against."""
