"""Emotion retrieval enhancement: window, label statement, deduction, demonstrations, templates."""
