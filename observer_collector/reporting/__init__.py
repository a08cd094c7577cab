"""What the collector tells the outside by itself."""
