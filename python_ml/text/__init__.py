"""What customers write: cleaned, masked, embedded and reduced to features."""
