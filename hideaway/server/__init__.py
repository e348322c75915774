"""The composition: wires store, API, control loop and data plane into one server, and nothing else.

`hideaway.server.serve.serve(options)` is the way in. Nothing is imported here, so that the commands which only read the
state folder load neither a server nor anything that only Linux has.
"""
