"""Questions that need more than one evaluation: does negotiation pay, and what it costs."""
