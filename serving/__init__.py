"""What a running server holds, and hands out."""
