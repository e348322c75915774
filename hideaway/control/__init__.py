"""One level-triggered loop from what is wanted to what is there, and the report of how things stand.

It may be killed at any line and started again: no step assumes that the one before it was seen to end.
"""
