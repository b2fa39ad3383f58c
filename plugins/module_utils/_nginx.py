# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The text of an nginx configuration: what sends traffic to a switched service, and how it is made to follow a switch.

Text in, text out; nothing is read or run here. A configuration that names its upstreams directly gets, instead of
``backend:8081``, the upstream ``backend-8081``, which is defined in a folder of ours with one subfolder per slot.
Lines that are added stand between two marks; without them, and with the names put back, the text is what it was.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._nginx_files import (
    ASSETS,
    LIVE,
    PREVIOUS,
    UPSTREAMS,
    Assets,
    Server,
    upstream_name,
)

BEGIN = "# hotfix: begin"
END = "# hotfix: end"
PREVIOUS_LOCATION = "@hotfix_previous_assets"
GONE_LOCATION = "@hotfix_no_assets"
#: The resolver of the engine inside of every container.
_RESOLVER = "127.0.0.11"

_PASSES = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass")
_DEFAULT_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
#: A variable may follow the address at once where it is a path for sure.
_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z]+)://)?(?P<host>[^/:?#\s\[\]]+?)(?::(?P<port>[^/?#\s]+?))?"
    r"(?P<rest>(?:[/?#]|\$\{?(?:request_uri|uri|document_uri)\b).*)?",
    re.S,
)
_WAS = re.compile(rf"include {LIVE}/server-[0-9]+\.conf; # was: (server [^;\n]*;)")
_BLOCK = re.compile(rf"^[ \t]*{BEGIN}[^\n]*\n(?:.*?\n)?[ \t]*{END}[^\n]*(?:\n|\Z)", re.M | re.S)
#: What changes the request or its answer in ways that a second location cannot simply repeat.
_NOT_COPIED = ("rewrite", "if", "return", "try_files", "error_page", "proxy_intercept_errors", "set")
_ONLY_IN_FIRST = ("proxy_pass", "proxy_redirect")


@dataclass
class Directive:
    """A directive, with the place where it stands. ``block`` is ``None`` for one that ends in ``;``."""

    name: str
    args: t.List[str]
    #: The arguments as they are written, and where.
    raw: t.List[str]
    spans: t.List[t.Tuple[int, int]]
    start: int
    end: int
    line: int
    parent: t.Optional[Directive] = None
    block: t.Optional[t.List[Directive]] = None
    #: Where the text of the block begins (after the brace) and ends (before the other).
    inside: t.Tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Result:
    """A configuration under management, and what must be defined for it in the folder of a slot."""

    text: str
    upstreams: t.Tuple[t.Tuple[str, int], ...]
    servers: t.Tuple[Server, ...]
    has_assets: bool
    notes: t.Tuple[str, ...] = ()


@dataclass
class _Change:
    edits: t.List[t.Tuple[int, int, str]] = field(default_factory=list)
    upstreams: t.Set[t.Tuple[str, int]] = field(default_factory=set)
    servers: t.List[Server] = field(default_factory=list)
    notes: t.List[str] = field(default_factory=list)


# -- reading ----------------------------------------------------------------------------------------------


def parse(text: str) -> t.List[Directive]:
    """Return the directives of a configuration; raise for what nginx would not read either."""
    root = Directive("", [], [], [], 0, 0, 0, block=[])
    here = root
    words: t.List[t.Tuple[str, int, int]] = []
    position = 0
    for kind, word, start, end in _tokens(text):
        if start < position:
            # Inside of a block of another language.
            continue
        if kind == "word":
            words.append((word, start, end))
            continue
        line = text.count("\n", 0, words[0][1] if words else start) + 1
        if kind == "}":
            if words or here is root:
                raise _wrong(line, "a '}' that ends nothing" if here is root else f"'{words[0][0]}' has no ';'")
            here.inside = (here.inside[0], start)
            here.end = end
            here = here.parent or root
            continue
        if not words:
            raise _wrong(line, f"a '{kind}' that belongs to nothing")
        directive = Directive(
            name=words[0][0],
            args=[one[0] for one in words[1:]],
            raw=[text[one[1] : one[2]] for one in words[1:]],
            spans=[(one[1], one[2]) for one in words[1:]],
            start=words[0][1],
            end=end,
            line=line,
            parent=here,
        )
        words = []
        _children(here).append(directive)
        if kind == "{":
            directive.block, directive.inside = [], (end, end)
            if directive.name.endswith("_by_lua_block"):
                position = _end_of_foreign(text, end, line)
                directive.end = position
            else:
                here = directive
    if here is not root:
        raise _wrong(here.line, f"'{here.name}' has no '}}'")
    if words:
        raise _wrong(text.count("\n", 0, words[0][1]) + 1, f"'{words[0][0]}' has no ';'")
    return _children(root)


def _children(directive: Directive) -> t.List[Directive]:
    return directive.block if directive.block is not None else []


def _tokens(text: str) -> t.Iterator[t.Tuple[str, str, int, int]]:
    pattern = re.compile(
        r"""(?P<space>\s+)|(?P<comment>\#[^\n]*)|(?P<mark>[;{}])
        |(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')(?=[\s;{)]|\Z)
        |(?P<word>(?!["'])(?:\$\{|\\.|[^\s;{}])+)""",
        re.X | re.S,
    )
    position = 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            raise _wrong(text.count("\n", 0, position) + 1, "a quotation that does not end")
        kind, found = str(match.lastgroup), match.group()
        end = match.end()
        if kind == "word" and "${" in found:
            # The brace that ends a variable is part of the word.
            match = re.compile(r"(?:\$\{[^}\s]*\}|\\.|[^\s;{}])+", re.S).match(text, position) or match
            found, end = match.group(), match.end()
        if kind == "mark":
            yield found, found, position, end
        elif kind == "quoted":
            yield "word", re.sub(r"\\([\"'\\])", r"\1", found[1:-1]), position, end
        elif kind == "word":
            yield "word", found, position, end
        position = end


def _end_of_foreign(text: str, position: int, line: int) -> int:
    depth = 1
    for match in re.compile(r"[{}]").finditer(text, position):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.end()
    raise _wrong(line, "a block that does not end")


def _wrong(line: int, what: str) -> BadInputError:
    return BadInputError(
        f"The proxy's configuration cannot be read: line {line} has {what}.", next_step="mend it (nginx -t) first."
    )


def walk(directives: t.Sequence[Directive]) -> t.Iterator[Directive]:
    """Return every directive, those in blocks after the one that has them."""
    for directive in directives:
        yield directive
        yield from walk(directive.block or ())


def _above(directive: Directive, name: str) -> t.Optional[Directive]:
    here = directive.parent
    while here is not None and here.name != name:
        here = here.parent
    return here


def _outermost(directive: Directive) -> Directive:
    while directive.parent is not None and directive.parent.name:
        directive = directive.parent
    return directive


# -- bringing under management ----------------------------------------------------------------------------


def names_services(text: str, services: t.Collection[str]) -> t.List[str]:
    """Return the lines, as ``line 12: proxy_pass http://backend:8081``, that send traffic to a switched service."""
    found = []
    upstreams = {d.args[0] for d in walk(parse(text)) if d.name == "upstream" and d.args}
    for directive in walk(parse(text)):
        host = _host_of(directive)
        if host in services and (directive.name == "server" or host not in upstreams):
            found.append(f"line {directive.line}: {directive.name} {' '.join(directive.args)}")
    return found


def concerns(text: str, services: t.Collection[str]) -> bool:
    """Tell whether a file of a configuration is one that a switch has to reach, or may be: then :func:`manage` says."""
    # A cheap look first: most files of a configuration, such as the list of types, name no service at all.
    if not re.search("|".join(re.escape(service) for service in services), text):
        return False
    if f"{LIVE}/{UPSTREAMS}" in text or names_services(text, services):
        return True
    return any("$" in (_host_of(directive) or "") for directive in walk(parse(text)))


def files_of_dump(dumped: str) -> t.Dict[str, str]:
    """Return the files of a configuration, by path, from what ``nginx -T`` prints."""
    parts = re.split(r"^# configuration file (/[^\n]*):\n", dumped, flags=re.M)
    # A line break of nginx's own ends each.
    return {path: text[:-1] if text.endswith("\n") else text for path, text in zip(parts[1::2], parts[2::2])}


def _host_of(directive: Directive) -> t.Optional[str]:
    if not directive.args or directive.block is not None:
        return None
    in_upstream = directive.parent is not None and directive.parent.name == "upstream"
    if directive.name not in _PASSES and not (directive.name == "server" and in_upstream):
        return None
    match = _ADDRESS.fullmatch(directive.args[0])
    return match.group("host") if match else None


def unmanage(text: str) -> str:
    """Take away what :func:`manage` added. The names of the upstreams in ``proxy_pass`` stay: they say the same."""
    return _WAS.sub(lambda match: match.group(1), _BLOCK.sub("", text))


def manage(
    text: str,
    services: t.Collection[str],
    assets: t.Optional[Assets] = None,
    included: t.Optional[t.Mapping[str, str]] = None,
) -> Result:
    """Return the configuration that follows a switch; the same text where it does so already.

    *included* are the other files of the configuration, by path. Raises where the text cannot be made to follow: it
    names the line and why.
    """
    text = unmanage(text)
    tree = parse(text)
    others = {path: parse(other) for path, other in (included or {}).items()}
    change = _Change()
    own = {d.args[0] for one in (tree, *others.values()) for d in walk(one) if d.name == "upstream" and d.args}
    passes = [_pass_of(d, services, own, tree) for d in walk(tree) if d.name in _PASSES]
    for found in passes:
        if found is not None:
            _follow(found, change, others)
    _follow_servers(text, tree, services, change)
    if not change.upstreams and not change.servers:
        raise BadInputError(
            f"The proxy's configuration sends no traffic to {', '.join(sorted(services))}.",
            next_step="set hotfix_proxy_config to the file with the 'proxy_pass' lines.",
        )
    taken = sorted(upstream_name(*one) for one in change.upstreams if upstream_name(*one) in own)
    if taken:
        raise BadInputError(
            f"The proxy's configuration has an upstream {taken[0]} of its own.", next_step="give it another name."
        )
    change.edits.append(_at_top(text, tree, [f"include {LIVE}/{UPSTREAMS};"]))
    if assets is not None:
        change.upstreams.add((assets.service, assets.port))
        _serve_assets(text, tree, [p for p in passes if p is not None], assets, change, others)
    return Result(
        text=_edited(text, change.edits),
        upstreams=tuple(sorted(change.upstreams)),
        servers=tuple(change.servers),
        has_assets=assets is not None,
        notes=tuple(change.notes),
    )


@dataclass(frozen=True)
class _Pass:
    """A directive that passes requests to a switched service."""

    directive: Directive
    scheme: str
    service: str
    port: int
    rest: str

    @property
    def location(self) -> Directive:
        return t.cast(Directive, self.directive.parent)

    @property
    def host_header(self) -> str:
        """What nginx says as ``Host`` where it is not told otherwise: the default port is left out."""
        return self.service if self.port == _DEFAULT_PORTS.get(self.scheme) else f"{self.service}:{self.port}"


def _pass_of(
    directive: Directive, services: t.Collection[str], own: t.Collection[str], tree: t.Sequence[Directive]
) -> t.Optional[_Pass]:
    match = _ADDRESS.fullmatch(directive.args[0]) if directive.args else None
    if match is None or directive.args[0].startswith("unix:"):
        return None
    scheme, host, port, rest = (match.group(name) or "" for name in ("scheme", "host", "port", "rest"))
    if host in own or host == "unix":
        return None
    if "$" in host or "$" in port:
        _require_elsewhere(directive, f"{host} {port}", services, tree)
        return None
    known = next((s for s in services if re.fullmatch(rf"{re.escape(s)}-[0-9]+", host)), None)
    if known is not None and host not in services and not port:
        host, port = known, host[len(known) + 1 :]
    if host not in services:
        return None
    if _outermost(directive).name == "stream":
        raise BadInputError(
            f"Line {directive.line} of the proxy's configuration passes a stream to {host}: only HTTP is switched.",
            next_step="take the service off hotfix_services, or set hotfix_strategy: recreate.",
        )
    if not (port.isdigit() or (not port and scheme in _DEFAULT_PORTS)):
        raise BadInputError(
            f"Line {directive.line} of the proxy's configuration names no port: {directive.name} {directive.args[0]}.",
            next_step=f"write it as {host}:PORT.",
        )
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    return _Pass(directive, scheme, host, number, rest)


def _require_elsewhere(
    directive: Directive, variable: str, services: t.Collection[str], tree: t.Sequence[Directive]
) -> None:
    """Raise unless a pass to a variable is seen to go to no switched service."""
    values: t.List[str] = []
    for name in re.findall(r"\$\{?(\w+)\}?", variable):
        for one in walk(tree):
            if one.name == "set" and len(one.args) == 2 and one.args[0] == f"${name}":
                values.append(one.args[1])
            elif one.name in ("map", "geo", "split_clients") and f"${name}" in one.args:
                values += [entry.args[-1] for entry in one.block or () if entry.args]
    names = "|".join(re.escape(service) for service in services)
    if values and not any("$" in value or re.search(rf"(?<![\w.-])(?:{names})(?![\w-])", value) for value in values):
        return
    raise BadInputError(
        f"Line {directive.line} of the proxy's configuration passes to a variable ({directive.args[0]}): where it "
        "leads cannot be told, nor switched.",
        next_step="name the service itself, as in 'proxy_pass http://backend:8081;', or set hotfix_strategy: recreate.",
    )


def _follow(found: _Pass, change: _Change, others: t.Mapping[str, t.Sequence[Directive]]) -> None:
    directive = found.directive
    change.upstreams.add((found.service, found.port))
    scheme = f"{found.scheme}://" if found.scheme else ""
    start, end = directive.spans[0]
    change.edits.append((start, end, f"{scheme}{upstream_name(found.service, found.port)}{found.rest}"))
    lines = _what_the_app_saw(found, change.notes, others)
    if lines:
        change.edits.append((directive.end, directive.end, _block(lines, _column(directive))))


def _what_the_app_saw(found: _Pass, notes: t.List[str], others: t.Mapping[str, t.Sequence[Directive]]) -> t.List[str]:
    """Return lines that keep the ``Host`` (and the name in TLS) that the app had from nginx by default."""
    if found.directive.name == "grpc_pass":
        notes.append(f"Line {found.directive.line}: {found.service} sees another :authority than before.")
    if found.directive.name != "proxy_pass":
        return []
    lines: t.List[str] = []
    level, headers = _effective("proxy_set_header", found.location, others)
    if level == "unknown":
        notes.append(
            f"Line {found.directive.line}: an include could not be read; if it sets no Host, {found.service} sees "
            "another one than before."
        )
    elif not any(header.args and header.args[0].lower() == "host" for header in headers):
        if found.location.name != "location":
            notes.append(f"Line {found.directive.line}: {found.service} sees another Host than before.")
        else:
            inherited = headers if level == "above" else []
            lines += [_again(header) for header in inherited]
            lines.append(f"proxy_set_header Host {found.host_header};")
            if "$" not in found.rest and _effective("proxy_redirect", found.location, others)[0] == "none":
                uri = found.rest or "/"
                target = _path(found.location) if found.rest else "/"
                lines.append("proxy_redirect default;")
                lines.append(f"proxy_redirect {found.scheme}://{found.host_header}{uri} {target};")
    tls = found.scheme == "https" and found.location.name == "location"
    if tls and _effective("proxy_ssl_name", found.location, others)[0] == "none":
        lines.append(f"proxy_ssl_name {found.service};")
    return lines


def _path(location: Directive) -> str:
    return location.args[-1] if location.args else "/"


def _again(directive: Directive) -> str:
    return f"{' '.join([directive.name, *directive.raw])};"


def _effective(
    name: str, block: t.Optional[Directive], others: t.Mapping[str, t.Sequence[Directive]]
) -> t.Tuple[str, t.List[Directive]]:
    """Return where a directive that is inherited as a whole is set, and all of it.

    ``here``, ``above``, ``none``, or ``unknown`` where a file that is included is not among *others*.
    """
    where = "here"
    while block is not None and block.name:
        unread, found = False, []
        for directive in block.block or ():
            if directive.name == name:
                found.append(directive)
            elif directive.name == "include" and directive.args:
                files = _files_of(directive.args[0], others)
                # A name with a star may match nothing.
                unread = unread or (not files and not re.search(r"[*?\[]", directive.args[0]))
                found += [one for path in files for one in others[path] if one.name == name]
        if found:
            return where, found
        if unread:
            return "unknown", []
        block, where = block.parent, "above"
    return "none", []


def _files_of(pattern: str, others: t.Mapping[str, t.Sequence[Directive]]) -> t.List[str]:
    whole = pattern if pattern.startswith("/") else posixpath.join("/etc/nginx", pattern)
    return [path for path in others if fnmatch.fnmatchcase(path, whole)]


def _follow_servers(text: str, tree: t.Sequence[Directive], services: t.Collection[str], change: _Change) -> None:
    for directive in walk(tree):
        if directive.name != "server" or directive.parent is None or directive.parent.name != "upstream":
            continue
        host = _host_of(directive)
        if host not in services or host is None:
            continue
        if _outermost(directive).name == "stream":
            raise BadInputError(
                f"Line {directive.line} of the proxy's configuration passes a stream to {host}: only HTTP is switched.",
                next_step="take the service off hotfix_services, or set hotfix_strategy: recreate.",
            )
        port = directive.args[0].partition(":")[2] or "80"
        if not port.isdigit():
            raise BadInputError(
                f"Line {directive.line} of the proxy's configuration has no usable port: server {directive.args[0]}.",
                next_step=f"write it as {host}:PORT.",
            )
        file = f"server-{len(change.servers) + 1}.conf"
        parameters = " ".join(directive.raw[1:])
        change.servers.append(Server(file, host, int(port), parameters))
        # Nothing but a comment may stand behind the comment.
        alone = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)").match(text, directive.end)
        instead = f"include {LIVE}/{file}; # was: {_again(directive)}" + ("" if alone else "\n")
        change.edits.append((directive.start, directive.end, instead))


# -- assets -----------------------------------------------------------------------------------------------


def _serve_assets(
    text: str,
    tree: t.Sequence[Directive],
    passes: t.Sequence[_Pass],
    assets: Assets,
    change: _Change,
    others: t.Mapping[str, t.Sequence[Directive]],
) -> None:
    """Let what the live slot does not have below a path be asked of the other slot."""
    by_location = {id(p.location): p for p in passes if p.directive.name == "proxy_pass"}
    served = 0
    for server in walk(tree):
        if server.name != "server" or server.block is None:
            continue
        locations = [one for one in server.block if one.name == "location" and one.block is not None]
        location = _serving(locations, assets.path)
        found = by_location.get(id(location)) if location is not None else None
        if location is None or found is None or (found.service, found.port) != (assets.service, assets.port):
            continue
        served += 1
        _require_simple(location)
        for one in locations:
            if len(one.args) == 2 and one.args[0] in ("~", "~*"):
                change.notes.append(
                    f"Line {one.line}: what 'location {' '.join(one.args)}' matches is served as before, "
                    "without the assets of the previous release."
                )
        change.edits.append(_assets_block(text, server, location, found, assets, others))
        if _path(location) == assets.path:
            lines = _fallback(server, others)
            change.edits.append((found.directive.end, found.directive.end, _block(lines, _column(found.directive))))
    if not served:
        raise BadInputError(
            f"The proxy's configuration does not pass {assets.path} to {assets.service}:{assets.port}, "
            "as hotfix_assets says.",
            next_step="correct hotfix_assets.",
        )


def _serving(locations: t.Sequence[Directive], path: str) -> t.Optional[Directive]:
    """Return the location that a path falls to, but for those with regular expressions."""
    best: t.Optional[Directive] = None
    for location in locations:
        plain = len(location.args) == 1 or location.args[0] == "^~"
        if plain and path.startswith(_path(location)) and (best is None or len(_path(location)) > len(_path(best))):
            best = location
    return best


def _require_simple(location: Directive) -> None:
    for directive in location.block or ():
        if directive.name in _NOT_COPIED or directive.block is not None:
            raise BadInputError(
                f"Line {directive.line} of the proxy's configuration has '{directive.name}' in the location of the "
                "assets: the assets of the previous release cannot be served beside it.",
                next_step="write a plain location for hotfix_assets.path, or leave hotfix_assets out.",
            )


def _fallback(server: Directive, others: t.Mapping[str, t.Sequence[Directive]]) -> t.List[str]:
    # A location with an error_page of its own inherits none, so those of the server are repeated.
    lines = [_again(one) for one in _effective("error_page", server, others)[1] if "404" not in one.args[:-1]]
    # Recursive, for the other slot may have no answer either.
    more = ("proxy_intercept_errors on;", "recursive_error_pages on;", f"error_page 404 = {PREVIOUS_LOCATION};")
    return [*lines, *more]


def _assets_block(
    text: str,
    server: Directive,
    location: Directive,
    found: _Pass,
    assets: Assets,
    others: t.Mapping[str, t.Sequence[Directive]],
) -> t.Tuple[int, int, str]:
    body = [(one.name, _again(one)) for one in location.block or ()]
    saw = _what_the_app_saw(found, [], others)
    first = f"{found.scheme}://{upstream_name(found.service, found.port)}"
    before, after = _path(location), found.rest
    lines = [f"include {LIVE}/{ASSETS};"]
    if before != assets.path:
        modifier = [location.args[0]] if len(location.args) == 2 else []
        uri = after + assets.path[len(before) :] if after else ""
        inner = [f"proxy_pass {first}{uri};" if name == "proxy_pass" else whole for name, whole in body]
        inner += [line.replace(f"{after} {before};", f"{uri} {assets.path};") if after else line for line in saw]
        lines += ["", f"location {' '.join([*modifier, assets.path])} {{"]
        lines += [f"    {line}" for line in (*inner, *_fallback(server, others))]
        lines.append("}")
    lines += ["", f"location {PREVIOUS_LOCATION} {{"]
    inner = [whole for name, whole in body if name not in _ONLY_IN_FIRST]
    inner += [line for line in saw if not line.startswith(_ONLY_IN_FIRST)]
    inner += [
        # Asked at the time of the request: nginx starts although nothing may answer to the name.
        f"resolver {_RESOLVER} valid=2s ipv6=off;",
        "resolver_timeout 2s;",
        "recursive_error_pages on;",
        f"error_page 502 504 = {GONE_LOCATION};",
    ]
    if after and after != before:
        inner.append(f"rewrite ^{re.escape(before)}(.*)$ {after}$1 break;")
    inner.append(f"proxy_pass {found.scheme}://{PREVIOUS}:{found.port};")
    lines += [*(f"    {line}" for line in inner), "}", "", f"location {GONE_LOCATION} {{", "    return 404;", "}"]
    position = server.inside[1]
    # Before the brace that ends the server, on lines of its own.
    line_start = text.rfind("\n", 0, position) + 1
    indent = " " * (_column(server) + 4)
    if text[line_start:position].strip():
        return position, position, _block(lines, len(indent))
    return line_start, line_start, _marked(lines, indent)


# -- editing ----------------------------------------------------------------------------------------------


def _column(directive: Directive) -> int:
    return 4 * _depth(directive)


def _depth(directive: Directive) -> int:
    depth, here = 0, directive.parent
    while here is not None and here.name:
        depth, here = depth + 1, here.parent
    return depth


def _marked(lines: t.Sequence[str], indent: str) -> str:
    return "".join(f"{indent}{line}\n" if line else "\n" for line in (BEGIN, *lines, END))


def _block(lines: t.Sequence[str], column: int) -> str:
    """Return lines to put after a directive that ends its line."""
    return "\n" + _marked(lines, " " * column).rstrip("\n")


def _at_top(text: str, tree: t.Sequence[Directive], lines: t.Sequence[str]) -> t.Tuple[int, int, str]:
    """Return the edit that puts lines on top of the HTTP level of the configuration."""
    http = next((one for one in tree if one.name == "http" and one.block is not None), None)
    if http is None:
        if not any(one.name in ("server", "upstream") and one.block is not None for one in tree):
            raise BadInputError(
                "The proxy's configuration has no 'http' block (and is no file that one includes).",
                next_step="set hotfix_proxy_config to the file that has it.",
            )
        # A file that the http block of another one includes.
        return 0, 0, _marked(lines, "")
    position = http.inside[0]
    rest = re.compile(r"[ \t]*(?:#[^\n]*)?\n").match(text, position)
    if rest is None:
        return position, position, _block(lines, 4)
    return rest.end(), rest.end(), _marked(lines, "    ")


def _edited(text: str, edits: t.Sequence[t.Tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, key=lambda edit: edit[:2], reverse=True):
        if new.startswith("\n" + " ") and new.rstrip().endswith(END) and start == end:
            # What stands behind a directive on its line stays on that line.
            rest = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)").match(text, end)
            new = new if rest is None else text[end : rest.end()] + new
            end = end if rest is None else rest.end()
            if rest is None:
                new += "\n"
        text = text[:start] + new + text[end:]
    return text
