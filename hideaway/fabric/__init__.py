"""The packets' vocabulary: hosts, ports, segments, routes, filters, translation, services.

A Fabric is one value that says all of what a data plane shall do. Each element says `because` of which resource it is
there (`<kind>:<id>`). Nothing here knows users, clusters or the vendor, nor what one machine or kernel can do.
"""
