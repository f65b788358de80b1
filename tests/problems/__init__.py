"""Tests of the problem sets."""
