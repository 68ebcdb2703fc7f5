"""Templates: what they see, what they ask for, how they are rendered."""
