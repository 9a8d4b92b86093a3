"""The configurations of the three programs that carry logs out of the centre; pure text, and it holds no secret.

    audit log, containers' logs → agent on a node → relay, disk queues → monitoring centre
                                                    relay, six fields  → connector → the nation

Every arrow is TLS with certificates on both ends; RELP between our own programs.

Agent and connector have no queue: they take no further than the next one takes. The relay acknowledges a line after
its queues have it on disk. To rsyslog a line is done once it was written to a connection, whether or not the other
end lives to confirm it; so each program writes down the last lines that it handed on, and hands them on again when
it starts: at least once, never less. Why so, with what was measured: decision 0018.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from catalogue.province import LogEndpoint
from infra.naming import LOG_AGENT, LOG_NATIONAL, LOG_RELAY

AUDIT: Final = "kube-audit"
"""The program that an event of the audit log is said to come from."""
CONTAINER: Final = "container"
_LINE_BYTES_MAX: Final = "128k"  # above what the API server lets an event be: docs/security-log.md
# A full queue must hold the sender back, for a day if need be; by default rsyslog waits two seconds and drops.
_FULL_WAITS_MS: Final = 86_400_000
_AGAIN_LINES: Final = 5000
"""More than the 128 that RELP leaves unconfirmed, or than fits the buffers of a connection (4 MiB of 1 KiB)."""
_WHOLE: Final = "whole"
_RFC5424: Final = "<%PRI%>1 %TIMEREPORTED:::date-rfc3339% %HOSTNAME% %APP-NAME% - - - %msg%"
_SIX_FIELDS: Final = (
    f"<109>1 %TIMEREPORTED:::date-rfc3339% %HOSTNAME% {AUDIT} - - - {{"
    "%TIMEREPORTED:::date-rfc3339,jsonf:time%, %HOSTNAME:::jsonf:host%, "
    f'\\"program\\":\\"{AUDIT}\\", '
    "%$.kind:::jsonf:kind%, %$.system:::jsonf:system%, %$.severity:::jsonf:severity%}"
)
VERBS: Final = (
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate",
    "bind", "escalate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a program finds and keeps its files; the values are those of the containers."""

    tls: str = "/etc/dcshift/tls"
    """Certificate, key and authority of the ways between our own programs: tls.crt, tls.key, ca.crt."""
    soc: str = "/etc/dcshift/soc"
    national: str = "/etc/dcshift/national"
    tables: str = "/etc/dcshift/config"
    work: str = "/var/spool/dcshift"
    """Survives the program: read positions, or queues."""
    run: str = "/run/dcshift"
    """What a probe reads: `statistics`, fresh while the program's loop turns, and `stuck`, once an output gave up."""
    audit: str = "/logs/audit"
    pods: str = "/logs/pods"


@dataclass(frozen=True, slots=True)
class Queue:
    """How much the relay keeps of one output while its receiver is away."""

    lines: int
    mebibytes: int


@dataclass(frozen=True, slots=True)
class Connector:
    """Where the relay finds the connector."""

    address: str
    """A value of rsyslog: a text in quotes, or a command in backticks. No name: the relay asks no DNS."""
    port: int


def agent(relay: str, port: int, folders: Folders = Folders()) -> str:
    """Return the configuration of a node's agent. `NODE_NAME` is in its environment."""
    quoted = f'"{relay}"'
    return f"""{_head(folders, "`echo $NODE_NAME`")}
module(load="imfile" mode="inotify")
module(load="omrelp")
{_lined("forwarded", "<%PRI%>1 %TIMEREPORTED:::date-rfc3339% %HOSTNAME% %programname% - - - %$.line%")}

# Direct: no queue in memory stands between the place read and the relay's word that it has the line.
ruleset(name="out" queue.type="Direct") {{
  if $programname == "{AUDIT}" then {{ set $.line = $msg; }} else {{ set $.line = $!metadata!filename & " " & $msg; }}
  {_onward(quoted, port, LOG_RELAY, "forwarded", folders)}
  {_remembered("relay", "forwarded", folders)}
}}
{_again("relay", _onward(quoted, port, LOG_RELAY, "as-it-was", folders), folders)}
# With the wildcard a rotated file is read to its end, also when the agent was away meanwhile.
input(type="imfile" file="{folders.audit}/audit*.log" {_reading(AUDIT)})
input(type="imfile" file="{folders.pods}/httt-*_*/*/*.log" {_reading(CONTAINER)})
"""


def relay(port: int, soc: LogEndpoint, national: Connector | None, queue: Queue, folders: Folders = Folders()) -> str:
    """Return the configuration of the relay, with one queue for each declared output."""
    told = (
        f"""
lookup_table(name="verbs" file="{folders.tables}/verbs.json")
lookup_table(name="kinds" file="{folders.tables}/kinds.json")
lookup_table(name="systems" file="{folders.tables}/systems.json")
# The allow-list. Every value is the relay's own or out of a closed table: what a caller writes into a request's path
# cannot pass as a kind, a verb or a system.
{_lined("national", _SIX_FIELDS)}
ruleset(name="national" {_queue("national", queue, folders)}) {{
  action(type="mmjsonparse" cookie="" container="!event")
  if $parsesuccess != "OK" then stop
  set $.kind = lookup("verbs", $!event!verb) & " " & lookup("kinds", $!event!objectRef!resource);
  set $.system = lookup("systems", $!event!objectRef!namespace);
  set $.severity = "notice";
  if $!event!responseStatus!code >= 400 then {{ set $.severity = "warning"; }}
  {_onward(national.address, national.port, LOG_NATIONAL, "national", folders)}
  {_remembered("national", "national", folders)}
}}
{_again("national", _onward(national.address, national.port, LOG_NATIONAL, "as-it-was", folders), folders)}
"""
        if national
        else ""
    )
    return f"""{_head(folders, '"relay"')}
module(load="imrelp")
module(load="imfile" mode="inotify")
module(load="omrelp")
module(load="mmjsonparse")
{_lined(_WHOLE, _RFC5424)}
{told}
ruleset(name="soc" {_queue("soc", queue, folders)}) {{
  {_action(soc, _WHOLE, folders.soc)}
  {_remembered("soc", _WHOLE, folders)}
}}
{_again("soc", _action(soc, "as-it-was", folders.soc), folders)}
# Direct: a line is acknowledged when the queues below have it.
ruleset(name="in" queue.type="Direct") {{
  call soc
{f'  if $programname == "{AUDIT}" then call national' if national else ""}
}}
# rsyslog's disk queue skips the first record that it gets after it was killed in its work: that shall be its own word
# that it has started, which a monitoring centre may know as well.
if $syslogtag startswith "rsyslogd" and $msg contains "] start" then {{
  call soc
{"  call national" if national else ""}
}}
input(type="imrelp" port="{port}" ruleset="in" maxDataSize="{_LINE_BYTES_MAX}" {_relp_tls(folders.tls)}
  tls.permittedPeer=["{LOG_AGENT}"])
"""


def connector(port: int, national: LogEndpoint, folders: Folders = Folders()) -> str:
    """Return the configuration of the connector, which passes on what the relay lets it have."""
    return f"""{_head(folders, '"national"')}
module(load="imrelp")
module(load="imfile" mode="inotify")
module(load="omrelp")
{_lined(_WHOLE, _RFC5424)}
# Direct: the relay keeps a line until the nation's end has taken it.
ruleset(name="in" queue.type="Direct") {{
  {_action(national, _WHOLE, folders.national)}
  {_remembered("national", _WHOLE, folders)}
}}
{_again("national", _action(national, "as-it-was", folders.national), folders)}
input(type="imrelp" port="{port}" ruleset="in" maxDataSize="{_LINE_BYTES_MAX}" {_relp_tls(folders.tls)}
  tls.permittedPeer=["{LOG_RELAY}"])
"""


def starting(outputs: Iterable[str], folders: Folders = Folders()) -> str:
    """Return the shell script that starts a program, given as its words: what it handed on last is handed on again.

    `outputs` are `relay` for an agent, `soc` and `national` for the relay, `national` for the connector.
    """
    return f"""rm -f {folders.run}/stuck
cd {folders.work} || exit 1
for out in {" ".join(outputs)}; do
  # The last line may have been cut off by a kill: the echo ends it.
  {{ cat "recent-$out.1" "recent-$out" 2>/dev/null; echo; }} | tail -n {_AGAIN_LINES} | grep . > "again-$out.new"
  cp "again-$out.new" "recent-$out.new" && mv "recent-$out.new" "recent-$out.1" && rm -f "recent-$out"
  # A number of a file that is used again must not inherit how far the earlier file was read.
  mv "again-$out.new" "again-$out" && rm -f imfile-state:"$(stat -c %i "again-$out")"*
done
exec "$@"
"""


def health(folders: Folders = Folders()) -> str:
    """Return the shell command that says whether a program works: it wrote its figures, and no output gave up."""
    return f'test -n "$(find {folders.run}/statistics -mmin -1)" && test ! -e {folders.run}/stuck'


def tables(kinds: Iterable[str], namespaces: Mapping[str, str]) -> dict[str, str]:
    """Return the closed vocabularies of the national output by file: verbs, kinds, and the system of each namespace."""
    return {
        "verbs.json": _table({verb: verb for verb in VERBS}, "other"),
        "kinds.json": _table({kind: kind for kind in sorted(kinds)}, "other"),
        "systems.json": _table(dict(sorted(namespaces.items())), "centre"),
    }


def _table(values: Mapping[str, str], otherwise: str) -> str:
    rows = [{"index": index, "value": value} for index, value in values.items()]
    return json.dumps({"version": 1, "nomatch": otherwise, "type": "string", "table": rows}, indent=1) + "\n"


def _head(folders: Folders, host: str) -> str:
    file, stuck = f"{folders.run}/statistics", f"{folders.run}/stuck"
    return f"""global(workDirectory="{folders.work}" maxMessageSize="{_LINE_BYTES_MAX}" localHostname={host}
  defaultNetstreamDriver="ossl" processInternalMessages="on")
template(name="as-it-was" type="string" string="%msg%")
# An output over RELP that met a certificate with another name waits for ever, with all that comes after it. The probe
# lets the program start anew then.
if $msg contains "DISABLING action" then {{ action(type="omfile" file="{stuck}") }}
# The file begins anew before it fills its place.
module(load="impstats" interval="10" format="json" resetCounters="off" ruleset="statistics")
ruleset(name="statistics" queue.type="Direct") {{
  action(type="omfile" file="{file}" rotation.sizeLimit="1m" rotation.sizeLimitCommand="/usr/bin/rm -f {file}")
}}"""


def _remembered(output: str, template: str, folders: Folders) -> str:
    """Return the action that writes down what the action before it has handed on; it keeps 16 to 32 MiB."""
    file = f"{folders.work}/recent-{output}"
    moved = f"/usr/bin/mv -f {file} {file}.1"
    return (
        f'action(type="omfile" file="{file}" template="{template}-line" fileCreateMode="0600" '
        f'rotation.sizeLimit="16m" rotation.sizeLimitCommand="{moved}")'
    )


def _again(output: str, action: str, folders: Folders) -> str:
    # In memory: what waits here is on disk as well, and comes again after the next start.
    return f"""ruleset(name="again-{output}" queue.type="LinkedList" queue.size="{2 * _AGAIN_LINES}"
  queue.timeoutEnqueue="{_FULL_WAITS_MS}") {{
  {action}
}}
input(type="imfile" file="{folders.work}/again-{output}" tag="again" ruleset="again-{output}")"""


def _onward(address: str, port: int, peer: str, template: str, folders: Folders) -> str:
    """Return the action that hands a line to the next of our own programs; `address` is a value of rsyslog."""
    return (
        f'action(type="omrelp" target={address} port="{port}" template="{template}" {_relp_tls(folders.tls)} '
        f'tls.permittedPeer=["{peer}"] '
        'action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="15")'
    )


def _reading(tag: str) -> str:
    # One line at a time: a place noted before its line was handed on would be a line lost with the program.
    return (
        f'tag="{tag}" facility="local6" severity="notice" ruleset="out" addMetadata="on" '
        'maxSubmitAtOnce="1" persistStateInterval="1"'
    )


def _lined(name: str, text: str) -> str:
    """Return a template as it goes over a connection, and the same as a line of a file."""
    return f'template(name="{name}" type="string" string="{text}")\n' + (
        f'template(name="{name}-line" type="string" string="{text}\\n")'
    )


def _relp_tls(folder: str) -> str:
    files = f'tls.caCert="{folder}/ca.crt" tls.myCert="{folder}/tls.crt" tls.myPrivKey="{folder}/tls.key"'
    return f'tls="on" tls.authMode="name" {files}'


def _queue(name: str, size: Queue, folders: Folders) -> str:
    # On disk from the first line on: what would wait in memory is lost with the pod.
    return (
        f'queue.type="Disk" queue.filename="{name}" queue.spoolDirectory="{folders.work}" queue.size="{size.lines}" '
        f'queue.maxDiskSpace="{size.mebibytes}m" queue.maxFileSize="{min(64, max(1, size.mebibytes // 8))}m" '
        f'queue.checkpointInterval="1" queue.timeoutEnqueue="{_FULL_WAITS_MS}"'
    )


def _action(end: LogEndpoint, template: str, folder: str) -> str:
    retry = 'action.resumeRetryCount="-1" action.resumeInterval="2" action.resumeIntervalMax="30"'
    where = f'target="{end.address}" port="{end.port}" template="{template}"'
    if end.protocol == "relp":
        return f'action(type="omrelp" {where} {_relp_tls(folder)} tls.permittedPeer=["{end.name}"] {retry})'
    return (
        f'action(type="omfwd" {where} protocol="tcp" TCP_Framing="octet-counted" ResendLastMSGOnReconnect="on" '
        'StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name" '
        f'StreamDriverPermittedPeers="{end.name}" StreamDriver.CAFile="{folder}/ca.crt" '
        f'StreamDriver.CertFile="{folder}/tls.crt" StreamDriver.KeyFile="{folder}/tls.key" {retry})'
    )
