"""What each stage learns. The order is the paper's: codec, each backbone alone, then the fusion between them."""
