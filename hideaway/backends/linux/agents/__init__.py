"""Programs with a mind of their own that run in hosts, one a kind: each does what the settings of its folder say.

They run without hideaway's dependencies, and nothing of hideaway's outside this folder: a cloud may have
hundreds.
"""
