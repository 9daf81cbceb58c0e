"""Training both roles on labelled dialogues: recipes in, model bundles out."""
