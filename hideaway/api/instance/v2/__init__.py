"""instance/v2alpha1: the same servers, volumes and security groups as instance/v1's, in its own spelling.

Private network interfaces and placement groups, whose two spellings are close, are served beside instance/v1's.
"""

from hideaway.api.instance.v2 import attachments, catalogue, groups, servers, templates, user_data, volumes

ROUTES = [
    *catalogue.ROUTES,
    *servers.ROUTES,
    *attachments.ROUTES,
    *groups.ROUTES,
    *user_data.ROUTES,
    *templates.ROUTES,
    *volumes.ROUTES,
]
