"""The tab Insights: what the model learned, section by section."""
