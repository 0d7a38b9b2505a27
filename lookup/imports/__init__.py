"""What a file of own ratings goes through: bytes, columns, films."""
