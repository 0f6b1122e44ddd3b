"""Jobs in supervised processes.

tasks.py        what is asked for and what comes back, as plain values
broker.py       in the pytest process: each distinct task once, a limited number at a time
connection.py   the broker's end of a server; remote.py its door for the workers of xdist
server.py       the process that forks workers and enforces limits; processes.py what it sees of them
child.py        the worker process around its task; job.py the task: one job, from request to published evidence
shadows.py      which file of the project hides a module of the standard library, where an exception looks like it
logs.py         what is read of a worker's log
inline.py       the same jobs in the pytest process, for a debugger
"""
