"""Language models on this machine, computed over the prompt trie."""
