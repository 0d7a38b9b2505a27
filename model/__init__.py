"""The network: how it learns, is measured, kept and explained."""
