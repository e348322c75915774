"""Asking for an address as any machine does: busybox' udhcpc by DHCP, ISC's dhclient by DHCPv6.

Whatever they are told is what the interface then is; what programs ask for names, too. No part of it comes from the
Fabric, which only says at which interface to ask.
"""

from __future__ import annotations

import shutil

from hideaway.backends.linux import names
from hideaway.backends.linux.capabilities import environment
from hideaway.backends.linux.inside.namespaces import FURNITURE
from hideaway.backends.linux.services.base import Place, Program
from hideaway.fabric.services import LeaseClient, Observed

TOLD, LEASE = "told", "lease"
"""What the client runs when it is told something, and where that keeps the address that the interface has."""

BEGIN = f"chmod 700 {TOLD}; rm -f {LEASE}; exec "
UDHCPC = f"busybox udhcpc -f -i $0 -s ./{TOLD} -t 3 -T 1 -A 1 -O search -O staticroutes -O mtu"
DHCLIENT = f'dhclient -6 -d -cf /dev/null -lf "$PWD/leases" -pf "$PWD/pid" -sf "$PWD/{TOLD}" $0'

V4 = """#!/bin/sh
forget() { rm -f lease; ip -4 address flush dev "$interface"; }
way() { # DESTINATION NEXT-HOP: a route, and that it is wanted
  via="via $2 onlink"; [ "$2" != 0.0.0.0 ] || via="scope link"
  ip -4 route replace "$1" $via dev "$interface" proto dhcp metric 100
  wanted="$wanted $1 "
}
take() {
  [ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
  ip -4 address replace "$ip/$mask" broadcast + dev "$interface"
  for other in $(ip -4 -o address show dev "$interface" | awk '{ print $4 }'); do
    [ "$other" = "$ip/$mask" ] || ip -4 address delete "$other" dev "$interface"
  done
  wanted=""
  if [ -n "$staticroutes" ]; then
    set -- $staticroutes
    while [ $# -ge 2 ]; do way "$1" "$2"; shift 2; done
  elif [ -n "$router" ]; then way 0.0.0.0/0 "${router%% *}"; fi
  for there in $(ip -4 route show dev "$interface" proto dhcp | awk '{ print $1 }'); do
    case $there in default) spelled=0.0.0.0/0 ;; */*) spelled=$there ;; *) spelled=$there/32 ;; esac
    case $wanted in *" $spelled "*) ;; *) ip -4 route delete "$there" dev "$interface" proto dhcp ;; esac
  done
  { for server in $dns; do echo "nameserver $server"; done
    [ -z "$search$domain" ] || echo "search ${search:-$domain}"
    echo "options timeout:2 attempts:2"; } > @RESOLV@
  echo "$ip/$mask" > lease.new; mv lease.new lease
}
case $1 in deconfig) ip link set "$interface" up; forget ;; nak) forget ;; bound|renew) take ;; esac
"""

V6 = """#!/bin/sh
case $reason in
PREINIT6)
  for each in accept_ra:1 accept_ra_rt_info_max_plen:128; do
    echo "${each#*:}" > /proc/sys/net/ipv6/conf/"$interface"/"${each%:*}"
  done
  ip link set "$interface" up
  for _ in 1 2 3 4 5 6 7 8 9 10; do # its own address must be known to be its own before it can ask from it
    ip -6 -o address show dev "$interface" scope link -tentative | grep -q . && break; sleep 0.5
  done ;;
BOUND6|RENEW6|REBIND6)
  [ -z "$old_ip6_address" ] || [ "$old_ip6_address" = "$new_ip6_address" ] ||
    ip -6 address delete "$old_ip6_address/${old_ip6_prefixlen:-128}" dev "$interface"
  ip -6 address replace "$new_ip6_address/${new_ip6_prefixlen:-128}" dev "$interface"
  echo "$new_ip6_address/${new_ip6_prefixlen:-128}" > lease.new; mv lease.new lease ;;
EXPIRE6|RELEASE6|STOP6)
  rm -f lease; ip -6 address delete "$old_ip6_address/${old_ip6_prefixlen:-128}" dev "$interface" ;;
esac
"""


def program(host: str, client: LeaseClient, _place: Place) -> Program:
    """The client in the foreground, in its folder."""
    script = V6 if client.v6 else V4.replace("@RESOLV@", f"{FURNITURE}/{names.namespace(host)}/resolv.conf")
    return Program(
        argv=("sh", "-c", BEGIN + (DHCLIENT if client.v6 else UDHCPC), client.device), files={TOLD: script.encode()}
    )


def look(client: LeaseClient, place: Place) -> Observed:
    """Ready once the interface has an address; facts: `address`, in CIDR form."""
    try:
        return Observed(ready=True, facts={"address": (place.folder / LEASE).read_text().strip()})
    except FileNotFoundError:
        pass
    if client.v6 and shutil.which("dhclient", path=environment()["PATH"]) is None:
        return Observed(ready=True, reason="no dhclient here, so no IPv6 address: apt-get install isc-dhcp-client")
    return Observed(ready=False, reason="nobody gave it an address (yet)")
