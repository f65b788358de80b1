"""Tests of what is true of them."""
