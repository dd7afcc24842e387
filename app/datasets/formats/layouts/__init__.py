"""Folder trees: walking, class folders, subsets, layouts of other tools, finding files."""
