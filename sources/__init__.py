"""Outside files and sites, read into checked tables."""
