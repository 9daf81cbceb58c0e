"""Language models on this machine, computed over the prompt trie."""

import os

# Threads that spin while they wait for each other starve on a machine that does anything else:
# a busy second process made a forward pass twenty times slower. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
