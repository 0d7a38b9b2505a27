"""The tab Start Here: the story of one user, chapter by chapter."""
