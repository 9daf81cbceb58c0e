"""From raw choice scores to posteriors, and from posteriors to confidence."""
