"""Language models on this machine, computed over the prompt trie."""

import os

# OpenMP threads that spin while they wait lose their cores to other processes: one busy process
# made a forward pass twenty times slower. Torch reads this when it is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
