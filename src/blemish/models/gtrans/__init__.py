"""GTrans: multiresolution feature guidance based on transformers (Yan et al., arXiv 2305.14880)."""
