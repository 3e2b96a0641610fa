# Copyright (c) 2026 the bsdvirt.pfnet authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans the hooks: the block of ours in pf.conf, the file that it includes, and main rules in the kernel that call the networks' anchors."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import typing as t

from ansible_collections.bsdvirt.pfnet.plugins.module_utils import layout, pf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.pf_conf import HOOKS, PfConf
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.rc_conf import DEFAULTS, Variable, parse_sysrc
from ansible_collections.bsdvirt.pfnet.plugins.module_utils.steps import Action, Phase, Plan, Run, Step, WriteFile

if t.TYPE_CHECKING:
    from ansible_collections.bsdvirt.pfnet.plugins.module_utils.host import Host

# Variables of rc.conf(5); those in rc.conf.d/pf are the script's own.
_SYSRC = ("sysrc", "-s", "pf")
_SETTINGS = ("pf_enable", "pf_rules", "pf_flags")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a run asks for: the module's options. `backup` is the file to keep the former text in, `confirmed` whether somebody has to confirm the run."""

    present: bool = True
    path: str = layout.MAIN_RULES
    anchor_root: str = "libvirt"
    enable: bool = False
    load: bool = True
    ssh_ports: tuple[int, ...] = (22,)
    backup: str | None = None
    confirmed: bool = False


@dataclasses.dataclass(frozen=True)
class Found:
    """A host as found.

    `text` is that of pf.conf, `boot_rules` that of layout.BOOT_RULES, None without such a file; `read` gives the text of others.
    Of the main ruleset in the kernel: the anchors that it `calls`, and whether it is `empty`. `networks` are those that the host has.
    """

    text: str | None
    boot_rules: str | None
    read: t.Callable[[str], str | None]
    enabled: bool
    calls: frozenset[tuple[str, str]]
    empty: bool
    settings: t.Mapping[str, Variable]
    networks: tuple[str, ...] = ()

    @property
    def flags(self) -> list[str]:
        """What rc(8) gives pfctl besides."""
        return shlex.split(self.settings["pf_flags"].value)


def observe(host: Host, wanted: Wanted) -> Found:
    """Look at the host: four processes. Raises pf.NotLoaded, CommandError, OSError."""
    info = host.run("pfctl", "-s", "info", ok=None)
    if info.rc:
        raise pf.NotLoaded(info.stderr.strip())
    shown = [host.run("pfctl", show).stdout for show in ("-sr", "-sn")]
    variables = parse_sysrc(host.run(*_SYSRC, "-v", *_SETTINGS).stdout)
    settings = {name: dataclasses.replace(variable, value=variable.value.strip()) for name, variable in variables.items()}

    def read(name: str) -> str | None:
        try:
            # pfctl looks for other names where it is started, which is / at boot.
            return host.read_as_is(os.path.join("/", name))
        except OSError:
            return None

    return Found(
        text=host.read_as_is(wanted.path),
        boot_rules=host.read_as_is(layout.BOOT_RULES),
        read=read,
        enabled=info.stdout.startswith("Status: Enabled"),
        calls=frozenset().union(*(pf.parse_rulesets(text).hooks for text in shown)),
        empty=not any(text.strip() for text in shown),
        settings={name: settings.get(name, Variable("", "")) for name in _SETTINGS},
        networks=tuple(sorted(name[: -len(".json")] for name in host.names(layout.DEFINITIONS) if name.endswith(".json"))),
    )


def make(host: Host, wanted: Wanted) -> Plan:
    """The plan that makes the host what is wanted, with pfctl's objections among its problems. Raises pf.NotLoaded, CommandError."""
    try:
        found = observe(host, wanted)
    except OSError as error:
        made = Plan()
        made.refuse("path", f"{error.filename}: {error.strerror}", "a file that can be read")
        return made
    made = plan(wanted, found)
    if not made.problems and (wanted.present or made.steps):
        # Also what is as wanted: a file that somebody broke since would leave the host without rules at its next boot.
        _refuse_broken(host, wanted, found, made)
    return made


def default_rules(ports: t.Iterable[object]) -> str:
    """A pf.conf for a host that had none. It lets connections to these ports live that stand when pf is enabled, of which it has not seen the first packet."""
    listed = ", ".join(map(str, ports))
    return (
        "# Written by bsdvirt.pfnet.pf_hooks, since there was no pf.conf: everything passes. Yours to change.\n\n"
        f"pass in quick proto tcp from any to (self) port {{ {listed} }} flags any keep state (sloppy)\n"
        f"pass out quick proto tcp from (self) port {{ {listed} }} to any flags any keep state (sloppy)\n"
        "pass all\n"
    )


_OUR_RULES = re.compile(re.escape(default_rules(["PORTS"])).replace("PORTS", "[0-9, ]+"))


def plan(wanted: Wanted, found: Found) -> Plan:
    """The plan that makes the host what is wanted; without steps if it is so already."""
    made = Plan()
    before = found.text
    conf = _conf(wanted, found)
    after = _after(wanted, found, conf)
    if wanted.present:
        _refuse_other_rules(wanted, found, made)
        _refuse_mixed(wanted, conf, made)
    enabling = wanted.present and wanted.enable and not found.enabled
    loading = wanted.load and after is not None and (found.enabled or enabling) and not _rules_elsewhere(wanted, found)
    expected = {(kind, f"{wanted.anchor_root}/*") for kind in (HOOKS if wanted.present else conf.hand_written(wanted.anchor_root))}
    called = {(kind, f"{wanted.anchor_root}/*") for kind in HOOKS} & found.calls
    astray = expected - called if wanted.present else called - expected
    changes, drifted = _reasons(wanted, found, conf, after)

    if wanted.present and found.boot_rules is None:
        made.file(layout.BOOT_RULES, layout.BOOT_RULES_HEADER, None, layout.CONFIGURATION)
        made.diff(layout.BOOT_RULES, "", layout.BOOT_RULES_HEADER)
    if before != after:
        if before is not None and wanted.backup:
            kept = WriteFile(wanted.backup, before, wanted.backup, wanted.path)
            made.steps.append(Step(Phase.FILES, f"keep {wanted.path} as {wanted.backup}", kept, (WriteFile(wanted.backup, None, wanted.backup),)))
        made.file(wanted.path, after, before, wanted.path)
        made.diff(wanted.path, _printable(before), _printable(after))
    if loading and (before != after or enabling or astray):
        if before == after and found.enabled:
            drifted.append(f"the main ruleset of pf {'does not call' if wanted.present else 'calls'} the anchors below {wanted.anchor_root}")
        made.steps.append(Step(Phase.LOAD, f"load {wanted.path}", Run(("pfctl", "-f", wanted.path, *found.flags)), _reload_former(wanted, found, after)))
    elif after is None and before is not None and wanted.load and called and not _rules_elsewhere(wanted, found):
        # pf is not enabled, and what it still holds are the rules of this file.
        undo = _reload_former(wanted, found, after)
        made.steps += [Step(Phase.LOAD, f"empty the main {kind}", Run(("pfctl", "-F", kind)), undo) for kind in ("rules", "nat")]
    if wanted.present and wanted.enable:
        changes += _plan_enabling(found, made)
    if not wanted.present and found.boot_rules is not None and not _loads(found.boot_rules) and not conf.includes(layout.BOOT_RULES):
        made.file(layout.BOOT_RULES, None, found.boot_rules, layout.CONFIGURATION)
        made.diff(layout.BOOT_RULES, found.boot_rules, "")

    created = wanted.present and before != after and not conf.has_block
    made.outcomes.append({"name": wanted.path, **_outcome(wanted, made, created, changes, drifted)})
    _warn(wanted, found, conf, made, enabling)
    return made


def _conf(wanted: Wanted, found: Found) -> PfConf:
    text = found.text
    if text is None:
        text = default_rules(wanted.ssh_ports) if wanted.present else ""
    return PfConf(text, found.read)


def _after(wanted: Wanted, found: Found, conf: PfConf) -> str | None:
    """What pf.conf is to hold."""
    if wanted.present:
        return conf.present(wanted.anchor_root)
    if found.text is None:
        return None
    # The file that we wrote goes with the hooks, but never from under a pf that needs one.
    unused = not found.enabled and not found.settings["pf_enable"].yes
    return None if unused and _OUR_RULES.fullmatch(conf.own) else conf.own


def _rules_elsewhere(wanted: Wanted, found: Found) -> bool:
    """Whether the host's main ruleset is in another file, as rc.conf has it."""
    rules = found.settings["pf_rules"].value
    return bool(rules) and os.path.normpath(rules) != os.path.normpath(wanted.path)


def _refuse_other_rules(wanted: Wanted, found: Found, made: Plan) -> None:
    """Main rules that a host has from elsewhere must not give way to ones that pass everything; and pf is not enabled with rules that were not looked at."""
    missing = wanted.load and found.text is None
    if _rules_elsewhere(wanted, found) and (missing or wanted.enable):
        rules = found.settings["pf_rules"]
        made.refuse("path", f"'{wanted.path}', while {rules.file} says pf_rules=\"{rules.value}\"", f"the file of main rules, {rules.value}")
    elif missing and not found.empty:
        made.refuse("path", f"'{wanted.path}', which is not there, while pf holds main rules", "the file that these rules came from (`pfctl -sr` shows them)")


def _refuse_mixed(wanted: Wanted, conf: PfConf, made: Plan) -> None:
    if conf.mixed and conf.hand_written(wanted.anchor_root).keys() != set(HOOKS):
        made.refuse(
            "path",
            f"{wanted.path} with {conf.mixed}, which has filter rules after options or translation: the hooks belong between them",
            "included files with filter rules alone, and others with what comes before",
        )


def _reasons(wanted: Wanted, found: Found, conf: PfConf, after: str | None) -> tuple[list[str], list[str]]:
    """What changes in files, in words; and what had drifted."""
    changes, drifted = [], []
    if wanted.present and found.text is None:
        changes.append(f"there is no {wanted.path}")
    elif after is None and found.text is not None:
        changes.append(f"{wanted.path} is as it was written for the hooks, and pf is not enabled")
    elif found.text != after and not conf.has_block:
        changes.append(f"{wanted.path} does not call the anchors below {wanted.anchor_root}")
    elif found.text != after and not wanted.present:
        changes.append(f"{wanted.path} has the hooks")
    elif found.text != after and conf.block_roots - {wanted.anchor_root}:
        changes.append(f"the hooks are of another anchor than {wanted.anchor_root}")
    elif found.text != after:
        drifted.append(f"the hooks in {wanted.path} were altered, or are not before the first filter rule")
    if wanted.present and found.boot_rules is None and not changes:
        drifted.append(f"{layout.BOOT_RULES} is missing")
    return changes, drifted


def _reload_former(wanted: Wanted, found: Found, after: str | None) -> tuple[Action, ...]:
    """What takes the load of `after` back."""
    if found.empty or found.text is None:
        return (Run(("pfctl", "-F", "rules")), Run(("pfctl", "-F", "nat")))
    return (WriteFile(wanted.path, found.text, wanted.path, only_over=(after, found.text)), Run(("pfctl", "-f", wanted.path, *found.flags)))


def _plan_enabling(found: Found, made: Plan) -> list[str]:
    """Add the steps that enable pf, now and at boot; gives the reasons."""
    reasons = []
    if not found.enabled:
        reasons.append("pf is not enabled")
        made.steps.append(Step(Phase.LOAD, "enable pf", Run(("pfctl", "-e")), (Run(("pfctl", "-d")),)))
        made.diff("pfctl -s info", "Status: Disabled\n", "Status: Enabled\n")
    at_boot = found.settings["pf_enable"]
    if not at_boot.yes:
        reasons.append("pf is not enabled at boot")
        former = ("-x", "pf_enable") if at_boot.file in ("", DEFAULTS) else (f"pf_enable={at_boot.value}",)
        made.steps.append(Step(Phase.FILES, "enable pf at boot", Run((*_SYSRC, "pf_enable=YES")), (Run((*_SYSRC, *former)),)))
        made.diff("rc.conf", f'pf_enable="{at_boot.value}"\n', 'pf_enable="YES"\n')
    return reasons


def _outcome(wanted: Wanted, made: Plan, created: bool, changes: list[str], drifted: list[str]) -> dict[str, t.Any]:
    action = "unchanged"
    if made.steps:
        action = "removed" if not wanted.present else "created" if created else "updated" if changes else "repaired"
    return {"action": action, "reasons": changes + [f"drift: {reason}" for reason in drifted] if made.steps else []}


def _loads(text: str) -> bool:
    """Whether a file has more than comments."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _printable(text: str | None) -> str:
    return (text or "").encode(errors="surrogateescape").decode(errors="replace")


def _refuse_broken(host: Host, wanted: Wanted, found: Found, made: Plan) -> None:
    """Have pfctl read the rules that would be in the file, and if they are not to its liking those that are."""
    conf = _conf(wanted, found)
    boot_rules = layout.BOOT_RULES if found.boot_rules is not None else host.stage("boot-rules.conf", layout.BOOT_RULES_HEADER)
    after = conf.present(wanted.anchor_root, boot_rules) if wanted.present else conf.own
    said = _objection(host, wanted, found, after)
    if said is None:
        return
    former = _objection(host, wanted, found, found.text) if found.text is not None else None
    if former is not None:
        made.refuse("path", f"{wanted.path}, which is broken as it is, before any change: {former}", f"a file that `pfctl -nf {wanted.path}` takes")
    else:
        way = "with" if wanted.present else "without"
        made.refuse("path", f"{wanted.path}, which pfctl takes as it is, but not {way} the hooks: {said}", f"a file that is right {way} them")


def _objection(host: Host, wanted: Wanted, found: Found, text: str) -> str | None:
    """What pfctl says against a text; None if it takes it."""
    output = host.run("pfctl", "-n", "-f", "-", *found.flags, stdin=text, ok=None)
    if output.rc == 0:
        return None
    lines = [line for line in output.stderr.splitlines() if line.strip() and "already defined in anchor" not in line]
    return "; ".join(re.sub(r"^stdin:", f"{wanted.path}:", line) for line in lines) or f"exit code {output.rc}"


def _warn(wanted: Wanted, found: Found, conf: PfConf, made: Plan, enabling: bool) -> None:
    if not wanted.present:
        if found.networks and not conf.hand_written(wanted.anchor_root):
            made.warnings.append(
                f"No rule of the networks {', '.join(found.networks)} is in force without the hooks, so nothing isolates them: remove them too,"
                " with bsdvirt.pfnet.networks, or call their anchors otherwise."
            )
        return
    if _rules_elsewhere(wanted, found):
        rules = found.settings["pf_rules"]
        made.warnings.append(
            f"The main rules of this host are in {rules.value} ({rules.file}: pf_rules), not in {wanted.path}, which is loaded neither now nor at boot."
        )
    for kind, statement in conf.hand_written(wanted.anchor_root).items():
        if statement.conditional:
            made.warnings.append(
                f'{statement.file or wanted.path} has a line of its own for `{kind} "{wanted.anchor_root}/*"`, for some packets only; it was left so:'
                " networks work for those packets only."
            )
    if enabling and conf.cuts_connections and not wanted.confirmed:
        made.warnings.append(
            f"{wanted.path} blocks, and has no `pass` with `flags any`: connections that stand while pf is enabled may be cut, this one among them."
            " With confirm_timeout the host would take it back by itself."
        )
    if not wanted.enable and not found.enabled:
        made.warnings.append("pf is loaded but not enabled, so no rule is in force: use `enable: true`, or run `pfctl -e` and `sysrc pf_enable=YES`.")
    elif not wanted.enable and not found.settings["pf_enable"].yes:
        made.warnings.append("pf is enabled now but not at boot: use `enable: true`, or run `sysrc pf_enable=YES`.")
