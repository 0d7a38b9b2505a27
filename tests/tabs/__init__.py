"""Tests of the tabs, each under AppTest."""
