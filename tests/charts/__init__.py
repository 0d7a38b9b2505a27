"""Tests of `charts/`."""
