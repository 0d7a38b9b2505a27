"""The four tabs; each module has one `render(...)`. Only these and app.py know Streamlit."""
