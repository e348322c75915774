"""The programs that run inside the world: the standard library only, nothing of hideaway's.

keeper is the world's first process; hands is what it does to the kernel, sweep the part that cuts connections;
pulse answers listeners and sends heartbeats; namespaces are the system calls that Python has no names for.
"""
