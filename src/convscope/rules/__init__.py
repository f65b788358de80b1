"""What is true of layers: pure functions, each of which returns its value with its derivation."""
