"""Tests of the kinds of problem."""
