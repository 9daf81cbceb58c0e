"""Language models behind one protocol: ``scripted``, ``local``, ``remote``."""
