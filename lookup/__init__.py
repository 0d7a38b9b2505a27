"""What someone types, uploads or sees, brought together with a film."""
