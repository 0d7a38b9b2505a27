"""The numbers that the pages show."""
