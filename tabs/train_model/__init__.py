"""The tab Train Model: settings, a run in the background, all runs so far."""
