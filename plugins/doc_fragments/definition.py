# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a network, option by option."""

from __future__ import annotations


class ModuleDocFragment:
    """For modules that take definitions in an option `networks`."""

    DOCUMENTATION = r"""
options:
  networks:
    description:
      - The networks. The keys are those of libvirt's network format in snake case, and those of what libvirt lacks.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The network's name, which is also that of its anchor and of its files.
        type: str
        required: true
      uuid:
        description: The network's UUID; kept, and used for nothing on the host.
        type: str
      title:
        description: A title of one line; kept for the way back to XML.
        type: str
      description:
        description: A description; kept for the way back to XML.
        type: str
      metadata:
        description: What stands within libvirt's C(<metadata>), as XML; kept for the way back to XML.
        type: str
      autostart:
        description: Whether the network is to be there after a boot. Otherwise it waits for the next run.
        type: bool
        default: true
      mac:
        description:
          - The MAC address of the bridge. Put it in quotes, since YAML reads some MAC addresses as numbers.
          - By default one that stays the same for this network on this host.
        type: str
      bridge:
        description: The bridge that the guests' interfaces are members of.
        type: dict
        suboptions:
          name:
            description:
              - The bridge's name, at most 15 characters. A bridge of that name that is not the collection's own is refused.
              - By default the first free of V(virbr0), V(virbr1) and so on, which the network then keeps.
            type: str
          stp:
            description:
              - Whether the members speak the Spanning Tree Protocol. On FreeBSD that is a setting of each member; it is made for
                O(networks[].bridge.members), while others are up to whoever attaches them.
            type: bool
          delay:
            description:
              - The forward delay in seconds, V(4) to V(30). V(0) adds no delay, for which FreeBSD has nothing to set.
            type: int
          mac:
            description: The same as O(networks[].mac).
            type: str
          members:
            description:
              - Interfaces of the host that the network attaches to its bridge, and releases when they are no longer listed.
              - Members that others attach, as hypervisors do for their guests, are never touched.
            type: list
            elements: str
          isolated_ports:
            description:
              - Whether O(networks[].bridge.members) cannot talk with each other. Frames between members of a bridge do not pass pf, so this is
                the bridge's own setting C(private).
            type: bool
            default: false
          mtu:
            description: The MTU of the bridge in bytes, which its members take over. Guests are told it by DHCP.
            type: int
          vlan_filtering:
            description: Whether the bridge filters VLANs.
            type: bool
          description:
            description: The description that ifconfig shows.
            type: str
      forward:
        description: How guests reach the world. Without it they reach each other and the host alone, as with O(networks[].forward.mode=none).
        type: dict
        suboptions:
          mode:
            description: The mode of forwarding.
            type: str
            required: true
            choices:
              nat: Guests reach the world by the host's address on the egress interface.
              route: Guests reach the world by their own addresses. Nobody reaches them unasked, but for O(networks[].firewall.inbound).
              open: As V(route), without any rule; the main ruleset decides.
              none: Guests reach each other and the host.
              bridge: O(networks[].forward.dev) is a member of the bridge, and guests are in its network. There are no rules.
          dev:
            description:
              - The egress interface. By default the one of the host's default route, of IPv4 if the network has IPv4.
              - With O(networks[].forward.mode=bridge), the uplink, which is required.
            type: str
          nat:
            description: Details of the address translation.
            type: dict
            suboptions:
              address:
                description: A pool of IPv4 addresses that connections are translated to, in place of the egress interface's own.
                type: dict
                suboptions:
                  start:
                    description: The first address.
                    type: str
                    required: true
                  end:
                    description: The last address.
                    type: str
                    required: true
              port:
                description: The ports that translated connections come from.
                type: dict
                suboptions:
                  start:
                    description: The first port.
                    type: int
                    default: 1024
                  end:
                    description: The last port.
                    type: int
                    default: 65535
              ipv6:
                description: Whether IPv6 is translated too. Otherwise it is routed.
                type: bool
                default: false
              sticky:
                description: Whether a guest keeps to one address of O(networks[].forward.nat.address).
                type: bool
                default: false
              static_port:
                description: Whether connections keep the guest's source port.
                type: bool
                default: false
      ips:
        description: The host's addresses on the bridge, and with them the subnets; any number, of both families.
        type: list
        elements: dict
        suboptions:
          address:
            description: The address, with its prefix length unless O(networks[].ips[].prefix) or O(networks[].ips[].netmask) gives it.
            type: str
            required: true
          family:
            description: The family of the address; it has to be what the address shows.
            type: str
            choices: [ipv4, ipv6]
          prefix:
            description: The prefix length.
            type: int
          netmask:
            description: The netmask, in place of the prefix length. IPv4 only.
            type: str
          dhcp:
            description:
              - DHCP for the guests, by a dnsmasq of the network's own. With ranges or hosts, the rules let DHCP requests through to it.
            type: dict
            suboptions:
              ranges:
                description: The addresses to hand out.
                type: list
                elements: dict
                suboptions:
                  start:
                    description: The first address.
                    type: str
                    required: true
                  end:
                    description: The last address.
                    type: str
                    required: true
                  lease: &lease
                    description: How long an address is lent.
                    type: dict
                    suboptions:
                      expiry:
                        description: The time, V(0) for ever; at least two minutes.
                        type: int
                        required: true
                      unit:
                        description: The unit of the time.
                        type: str
                        choices: [seconds, minutes, hours]
                        default: minutes
              hosts:
                description: Guests that get a certain address or name.
                type: list
                elements: dict
                suboptions:
                  mac:
                    description: The guest's MAC address. IPv4 only.
                    type: str
                  id:
                    description: The guest's client id, as bytes such as V(01:52:54:00:00:01:11) or a text, or V(*) for any; with IPv6, its DUID.
                    type: str
                  name:
                    description: The guest's name.
                    type: str
                  ip:
                    description: The guest's address.
                    type: str
                  lease: *lease
                  options: &options
                    description:
                      - Options of DHCP. With IPv6, C(dns-server) and C(domain-search) stand in router advertisements, too.
                      - Of what guests are told by default, C(router), C(dns-server) and so on, an option says something else.
                    type: list
                    elements: dict
                    suboptions:
                      option:
                        description: Its number, or its name as C(dnsmasq --help dhcp) and C(dnsmasq --help dhcp6) list them.
                        type: raw
                        required: true
                      value:
                        description:
                          - Its value, or a list of several, at most 255 bytes in all. Without one, guests are told nothing of it.
                          - Under a number that dnsmasq does not know, digits are a number, and bytes with colons between them are bytes.
                        type: raw
                      force:
                        description: Whether guests are told without having asked for it.
                        type: bool
                        default: false
              options: *options
              bootp:
                description: What guests boot from the network.
                type: dict
                suboptions:
                  file:
                    description: The file.
                    type: str
                    required: true
                  server:
                    description: The server that has it. By default the host.
                    type: str
          ra:
            description:
              - Router advertisements, by which guests of an IPv6 subnet know of their router, and how they get addresses.
              - Of the router itself there is one for the whole network, so what several subnets say of it has to be the same.
            type: dict
            suboptions:
              mode:
                description:
                  - How. By default V(stateful) where O(networks[].ips[].dhcp) hands out addresses, otherwise V(ra-only) in a /64, unless
                    another subnet of the network hands out addresses; with O(networks[].forward.mode=bridge), V(none).
                type: str
                choices:
                  none: Not at all.
                  ra-only: Guests make addresses of their own, and are told all else by advertisements.
                  stateless: Guests make addresses of their own, and ask for options by DHCP.
                  slaac: Guests make addresses of their own, and get some by DHCP besides.
                  stateful: Guests get addresses by DHCP.
              interval:
                description: Seconds between two of them, V(4) to V(1800). By default V(600).
                type: int
              lifetime:
                description:
                  - How many seconds the host counts as a router after one of them. V(0) makes it none, as it is by default with
                    O(networks[].forward.mode=none). Otherwise the default is three times the interval.
                type: int
              priority:
                description: How much guests prefer this router to others. By default V(medium).
                type: str
                choices: [low, medium, high]
              mtu:
                description: The MTU that guests are told, in bytes.
                type: int
          tftp:
            description: What the host serves by TFTP, one folder for the whole network.
            type: dict
            suboptions:
              root:
                description: The folder.
                type: str
                required: true
          local_ptr:
            description: Whether reverse look-ups of the subnet's addresses stay on the host.
            type: bool
      routes:
        description: Static routes of the host to networks behind guests.
        type: list
        elements: dict
        suboptions:
          address:
            description: The network, with its prefix length unless O(networks[].routes[].prefix) or O(networks[].routes[].netmask) gives it.
            type: str
            required: true
          family:
            description: The family of the network; it has to be what the address shows.
            type: str
            choices: [ipv4, ipv6]
          prefix:
            description: The prefix length.
            type: int
          netmask:
            description: The netmask, in place of the prefix length. IPv4 only.
            type: str
          gateway:
            description: The guest's address.
            type: str
            required: true
      domain:
        description: The domain of the guests.
        type: dict
        suboptions:
          name:
            description: The domain's name.
            type: str
            required: true
          local_only:
            description: Whether names in it are never asked of another server.
            type: bool
      dns:
        description:
          - What the host's DNS does for guests. Where the network has DHCP, TFTP or router advertisements, the host answers names without it, too.
        type: dict
        suboptions:
          enable:
            description: Whether the host answers DNS.
            type: bool
            default: true
          forward_plain_names:
            description: Whether names without a dot are asked of other servers.
            type: bool
          forwarders:
            description: Servers to ask.
            type: list
            elements: dict
            suboptions:
              addr:
                description: The server's address. Without it, the host's own servers are asked about the domain.
                type: str
              domain:
                description: The domain that it is asked about. By default all.
                type: str
          hosts:
            description: Names of addresses.
            type: list
            elements: dict
            suboptions:
              ip:
                description: The address.
                type: str
                required: true
              hostnames:
                description: Its names.
                type: list
                elements: str
                required: true
          srv:
            description: SRV records.
            type: list
            elements: dict
            suboptions:
              service:
                description: The service, such as V(ldap), without the underscore.
                type: str
                required: true
              protocol:
                description: Its protocol.
                type: str
                required: true
              domain:
                description: The domain. By default that of the network.
                type: str
              target:
                description: The host that has it.
                type: str
              port:
                description: The port there.
                type: int
              priority:
                description: The priority of the target.
                type: int
              weight:
                description: The weight among targets of one priority.
                type: int
          txt:
            description: TXT records.
            type: list
            elements: dict
            suboptions:
              name:
                description: The record's name.
                type: str
                required: true
              value:
                description: Its text, or a list of several strings, at most 255 bytes in all.
                type: raw
                required: true
          cnames:
            description: Other names of hosts whose address is known here, by O(networks[].dns.hosts), DHCP or the host's own C(/etc/hosts).
            type: list
            elements: dict
            suboptions:
              name:
                description: The other name.
                type: str
                required: true
              target:
                description: The name that it stands for.
                type: str
                required: true
      dnsmasq_options:
        description:
          - Lines for the configuration of the network's dnsmasq, where nothing else here says it, such as V(neg-ttl=60). The host's dnsmasq has to know them.
          - What the definition or the service settles is refused, C(interface), C(port), C(user) and C(conf-file) for instance.
        type: list
        elements: str
      port_forwards:
        description: Ports of the host that lead to guests. With O(networks[].forward.mode=nat) and V(route).
        type: list
        elements: dict
        suboptions:
          proto:
            description: V(tcp), V(udp), or a list of both.
            type: raw
            default: tcp
          listen:
            description: The address that is connected to. By default the first address of the egress interface.
            type: str
          port:
            description: The port, or a range such as V(8000-8010).
            type: raw
            required: true
          to:
            description: The guest's address.
            type: str
            required: true
          to_port:
            description: The guest's port, of a range the first. By default the same.
            type: int
          sources:
            description: Networks that may connect. By default any.
            type: list
            elements: str
          hairpin:
            description: Whether guests of the network too reach it by the host's outside address.
            type: bool
            default: false
          description:
            description: What it is for; a comment in the rules.
            type: str
      firewall:
        description: The filter rules.
        type: dict
        suboptions:
          profile:
            description: Which rules.
            type: str
            default: strict
            choices:
              strict: >-
                Guests reach each other, the host's address on their bridge and the world. Networks are isolated from each other and
                from outside, sources cannot be spoofed, whatever the rest of the ruleset says.
              libvirt: >-
                The rules of libvirt's pf backend, for O(networks[].forward.mode=nat). They isolate nothing if the main ruleset
                ends in C(pass all).
          host_access:
            description: What guests reach of the host.
            type: str
            default: full
            choices:
              full: Everything at the host's addresses on their bridge.
              services: DHCP, DNS and TFTP, as far as they are served, and ping.
              none: Nothing.
          peers:
            description:
              - Networks that may connect to guests of this one, by name. They have to be in the same list.
              - What they are answered passes; for the other direction, list this network as a peer of theirs.
            type: list
            elements: str
          egress:
            description: What guests reach outside.
            type: dict
            suboptions:
              allow:
                description: Nothing but this. By default everything.
                type: list
                elements: dict
                suboptions: &traffic
                  networks:
                    description: Where it goes. By default anywhere.
                    type: list
                    elements: str
                  proto:
                    description: Protocols, such as V(tcp), V(udp), V(icmp) and V(icmp6). By default any.
                    type: list
                    elements: str
                  ports:
                    description: Ports and ranges such as V(8000-8010), beside C(proto) of V(tcp), V(udp) or V(sctp).
                    type: list
                    elements: raw
              deny:
                description: None of this, even if it is allowed.
                type: list
                elements: dict
                suboptions: *traffic
          inbound:
            description: What reaches guests from outside, with O(networks[].forward.mode=route). By default nothing.
            type: list
            elements: dict
            suboptions:
              sources:
                description: Where it comes from. By default anywhere.
                type: list
                elements: str
              to:
                description: The guests, by address or network. By default all.
                type: list
                elements: str
              proto:
                description: Protocols. By default any.
                type: list
                elements: str
              ports:
                description: Ports and ranges, beside O(networks[].firewall.inbound[].proto) of V(tcp), V(udp) or V(sctp).
                type: list
                elements: raw
          log:
            description: Whether what is blocked is logged, for C(tcpdump -i pflog0).
            type: bool
            default: false
      templates:
        description:
          - Jinja2 templates of your own in place of the collection's for this network. They can include the collection's, for instance
            C(anchor/filter-strict.conf.j2), and put rules before it. The collection's own, in its folder C(templates), say what they are given.
          - Write them with C(!unsafe), or take them from files with P(ansible.builtin.file#lookup), so that Ansible itself does not render them.
        type: dict
        suboptions:
          anchor:
            description: The whole anchor.
            type: str
          tables:
            description: Its tables.
            type: str
          translation:
            description: Its NAT rules and port forwards.
            type: str
          filter:
            description: Its filter rules.
            type: str
"""
