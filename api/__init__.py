"""The same model behind HTTP."""
