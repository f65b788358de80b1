"""What things are: frozen values, valid once built. Imports nothing but NumPy and the standard library."""
