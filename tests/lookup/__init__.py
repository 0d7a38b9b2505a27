"""Tests of `lookup/`."""
