"""How sentixrl fits into other libraries."""
