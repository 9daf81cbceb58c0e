"""Conversations and their emotions as HTML: files for a browser, and what notebooks show.

Contract: everything stands in the one text that is returned: no script, nothing loaded from
elsewhere, and every word that a person or a model wrote is escaped. Styles are allowed by their
hash alone. ``looks.css`` and ``emotions.json`` are the look of all that sentixrl shows; the page of
``serve/`` and the evaluation report use them too.
"""

from sentixrl.pages.writing import Answered, conversation_page, looks, notebook_view

__all__ = ["Answered", "conversation_page", "looks", "notebook_view"]
