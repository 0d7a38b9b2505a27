"""Tests of `sources/`."""
