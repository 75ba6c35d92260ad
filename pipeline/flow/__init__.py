"""Stages run over what is pending: each item committed once, in one transaction, after its files are in place.

A killed run resumes, a second run does nothing, and a changed option redoes exactly what it touches.
"""
