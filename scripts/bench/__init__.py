"""`make bench`: measures hideaway, beside its peers where they are on this machine, and writes docs/benchmarks.md.

Figures, never assertions: no test looks at them. What a machine cannot measure is named in the report and left out.
"""
