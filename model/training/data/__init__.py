"""Folders of labelled pictures: reading, checking, and covering heads before publishing."""
