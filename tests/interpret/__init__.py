"""Tests of what a kernel does."""
