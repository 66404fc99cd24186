"""Segments: the profiles for which a filter on their properties holds; in some order, page by page, counted."""
