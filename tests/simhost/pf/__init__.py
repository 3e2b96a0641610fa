# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated pf(4) and the language of pf.conf(5): what ``pfctl`` of FreeBSD 15.1 reads, prints and loads.

No packet is evaluated. A configuration goes through these modules in order:

``lexer``, and ``lalr`` with ``grammar.lark``
    text to statements, as pfctl's yacc grammar: same tokens, same recovery
``statements`` with the ``actions``
    statements to rules that still have lists (``nodes``), options, tables; pfctl's messages
``expand``
    one statement with lists to many :class:`simhost.pf.rules.Rule`
``optimize``
    pfctl's ruleset optimizer: duplicates, tables for addresses, order
``load``
    all of that for a file and the anchors that it asks for, into the kernel in one transaction
``kernel``, ``tables`` and ``states``
    what is loaded, kept in ``state.json`` below the key ``pf``
``show`` and ``display``
    rules, tables and status as text
"""
