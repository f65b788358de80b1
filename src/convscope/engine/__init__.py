"""The same mathematics as `worked`, fast: an analysis of the kernel, a plan, and one file a method."""
