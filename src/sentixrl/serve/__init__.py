"""The service: emotions of texts and conversations over HTTP, and the decision formats.

Read in this order: ``served`` (models by name), ``batcher`` (requests that share a running round),
``guard`` (what is checked before anything is read), ``classifying``, ``decisions``, ``app``,
``server``.
"""
