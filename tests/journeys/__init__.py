"""Journeys in headless Chromium, as visitors make them, on the demo data."""
