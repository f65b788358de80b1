"""A document in; terminal text, Markdown, LaTeX, HTML or PDF out.

Each renderer is one table from node type to function, knows nothing but `core`, and computes nothing.
"""
