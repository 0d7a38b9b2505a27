"""The tab Recommendations: films for a user or a visitor, with reasons."""
