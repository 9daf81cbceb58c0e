"""SANM: one model negotiates with itself, as generator and as discriminator."""
