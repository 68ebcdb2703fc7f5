"""Flows: compiled, listed, linked; their templates and the states of their triggers."""
