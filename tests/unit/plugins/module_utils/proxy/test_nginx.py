# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An nginx configuration as people write it is made to follow a switch, or is refused by line."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _nginx, _nginx_files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

SERVICES = ("backend", "frontend", "hocuspocus")
ASSETS = _nginx_files.Assets("/assets/", "frontend", 80)

PLAIN = """\
user www-data;  # a comment; with { marks }
events { worker_connections 1024; }

http {
    include /etc/nginx/mime.types;
    log_format main '$remote_addr "$request"; {x}';
    map $http_upgrade $connection_upgrade { default upgrade; '' close; }

    server {
        listen 80 default_server;
        proxy_set_header Host $http_host;

        location = /nginx-health { return 200 "ok\\n"; }

        location /api/ {
            proxy_pass http://backend:8081/api/;
        }

        location /ws {
            proxy_pass http://hocuspocus:8082;  # documents
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
        }

        location / {
            proxy_pass http://frontend:80;
        }
    }
}
"""


def server(body: str, *, above: str = "", top: str = "") -> str:
    return f"events {{}}\nhttp {{\n    {top}\n    server {{\n        {above}\n{body}\n    }}\n}}\n"


def manage(text: str, assets: t.Optional[_nginx_files.Assets] = None, **included: str) -> _nginx.Result:
    result = _nginx.manage(text, SERVICES, assets, {f"/etc/nginx/{name}": other for name, other in included.items()})
    again = _nginx.manage(result.text, SERVICES, assets, {f"/etc/nginx/{n}": other for n, other in included.items()})
    assert again.text == result.text, "a second time changes something"
    assert (again.upstreams, again.servers) == (result.upstreams, result.servers)
    return result


def test_names_become_upstreams_and_nothing_else_changes() -> None:
    result = manage(PLAIN)
    assert result.upstreams == (("backend", 8081), ("frontend", 80), ("hocuspocus", 8082))
    assert "proxy_pass http://backend-8081/api/;" in result.text
    assert "proxy_pass http://hocuspocus-8082;  # documents" in result.text
    assert "proxy_pass http://frontend-80;" in result.text
    assert "http {\n    # hotfix: begin\n    include /etc/nginx/hotfix/live/upstreams.conf;\n    # hotfix: end\n" in (
        result.text
    )
    # Taking it away leaves the text as it was, but for the names.
    back = _nginx.unmanage(result.text)
    for service, port in result.upstreams:
        back = back.replace(f"http://{service}-{port}", f"http://{service}:{port}")
    assert back == PLAIN


def test_a_file_that_another_one_includes() -> None:
    result = manage("server {\n    listen 80;\n    location / { proxy_pass http://frontend; }\n}\n")
    assert result.text.startswith("# hotfix: begin\ninclude /etc/nginx/hotfix/live/upstreams.conf;\n# hotfix: end\n")
    assert result.upstreams == (("frontend", 80),)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("proxy_pass http://backend;", ("backend", 80)),
        ("proxy_pass https://backend;", ("backend", 443)),
        ("proxy_pass 'http://backend:8081';", ("backend", 8081)),
        ("proxy_pass http://backend:8081$request_uri;", ("backend", 8081)),
        ("grpc_pass grpc://backend:9090;", ("backend", 9090)),
        ("fastcgi_pass backend:9000;", ("backend", 9000)),
        ("uwsgi_pass uwsgi://backend:3031;", ("backend", 3031)),
    ],
)
def test_every_kind_of_pass(line: str, expected: t.Tuple[str, int]) -> None:
    result = manage(server("location / { " + line + " }", above="proxy_set_header Host $host;"))
    assert result.upstreams == (expected,)
    assert f"{expected[0]}-{expected[1]}" in result.text


def test_who_is_no_switched_service_is_left_alone() -> None:
    text = server(
        "location / { proxy_pass http://frontend:80; }\n"
        "location /files { proxy_pass http://minio:9000; }\n"
        "location /static { proxy_pass http://unix:/run/app.sock; }\n"
        "location /v { set $other minio; proxy_pass http://$other:9000; }\n"
        "location /like { proxy_pass http://backend.example.com:8081; }\n",
        above="proxy_set_header Host $host;",
    )
    result = manage(text)
    assert result.upstreams == (("frontend", 80),)
    for kept in ("http://minio:9000", "unix:/run/app.sock", "http://$other:9000", "backend.example.com:8081"):
        assert kept in result.text


def test_an_upstream_of_the_users_own_keeps_its_other_lines() -> None:
    text = server(
        "location / { proxy_pass http://backend; proxy_set_header Host $host; }",
        top="upstream backend {\n"
        "        least_conn;\n"
        "        server backend:8081 max_fails=0;  # the first\n"
        "        server backend:8082 backup;\n"
        "        server 192.0.2.1:80 down;\n"
        "        keepalive 8;\n"
        "    }",
    )
    result = manage(text)
    assert result.upstreams == ()
    assert result.servers == (
        _nginx_files.Server("server-1.conf", "backend", 8081, "max_fails=0"),
        _nginx_files.Server("server-2.conf", "backend", 8082, "backup"),
    )
    assert "proxy_pass http://backend;" in result.text
    for line in (
        "include /etc/nginx/hotfix/live/server-1.conf; # was: server backend:8081 max_fails=0;  # the first\n",
        "include /etc/nginx/hotfix/live/server-2.conf; # was: server backend:8082 backup;\n",
        "keepalive 8;",
        "server 192.0.2.1:80 down;",
    ):
        assert line in result.text
    assert _nginx.unmanage(result.text) == text


def test_an_upstream_in_one_line_stays_readable() -> None:
    result = manage(
        server("location / { proxy_pass http://app; }", top="upstream app { server backend:1; keepalive 8; }")
    )
    tree = _nginx.parse(result.text)
    assert [d.name for d in _nginx.walk(tree) if d.parent and d.parent.name == "upstream"] == ["include", "keepalive"]


# -- what the app sees ------------------------------------------------------------------------------------


def lines_of(result: _nginx.Result, name: str) -> t.List[str]:
    return [f"{d.name} {' '.join(d.raw)}" for d in _nginx.walk(_nginx.parse(result.text)) if d.name.startswith(name)]


def test_the_host_that_nginx_sends_by_default_stays() -> None:
    result = manage(
        server("location /api/ {\n proxy_pass http://backend:8081/v1/;\n}", above='proxy_set_header X-A "b c";')
    )
    assert lines_of(result, "proxy_set_header") == [
        'proxy_set_header X-A "b c"',
        'proxy_set_header X-A "b c"',
        "proxy_set_header Host backend:8081",
    ]
    # And what the app redirects to by that name is still made the user's.
    assert lines_of(result, "proxy_redirect") == [
        "proxy_redirect default",
        "proxy_redirect http://backend:8081/v1/ /api/",
    ]


def test_a_host_that_is_set_stays_as_it_is() -> None:
    for text in (
        server("location / { proxy_pass http://backend:80; proxy_set_header HOST $host; }"),
        server("location / { proxy_pass http://backend:80; }", above="proxy_set_header Host $host;"),
    ):
        assert "Host backend" not in manage(text).text


def test_a_host_that_an_include_sets_is_seen() -> None:
    text = server("location / { include proxy_params; proxy_pass http://backend:8081; }")
    assert "Host backend" not in manage(text, proxy_params="proxy_set_header Host $http_host;\n").text
    assert "Host backend:8081" in manage(text, proxy_params="proxy_set_header X-Real-IP $remote_addr;\n").text
    unseen = manage(text)
    assert "Host backend" not in unseen.text
    assert "an include could not be read" in unseen.notes[0]


def test_the_name_in_tls_stays() -> None:
    result = manage(server("location / { proxy_pass https://backend:8443; }", above="proxy_set_header Host $host;"))
    assert lines_of(result, "proxy_ssl_name") == ["proxy_ssl_name backend"]


# -- assets -----------------------------------------------------------------------------------------------


def location(result: _nginx.Result, *args: str) -> t.List[str]:
    found = [d for d in _nginx.walk(_nginx.parse(result.text)) if d.name == "location" and tuple(d.args) == args]
    assert len(found) == 1, found
    return [" ".join([d.name, *d.raw]) for d in found[0].block or ()]


def test_assets_are_asked_of_the_other_slot() -> None:
    result = manage(PLAIN, ASSETS)
    assert location(result, "/assets/") == [
        "proxy_pass http://frontend-80",
        "proxy_intercept_errors on",
        "recursive_error_pages on",
        "error_page 404 = @hotfix_previous_assets",
    ]
    previous = location(result, "@hotfix_previous_assets")
    assert previous[-1] == "proxy_pass http://$hotfix_previous_assets:80"
    assert "resolver 127.0.0.11 valid=2s ipv6=off" in previous
    assert location(result, "@hotfix_no_assets") == ["return 404"]
    assert "include /etc/nginx/hotfix/live/assets.conf;" in result.text
    assert manage(result.text).text == manage(PLAIN).text, "taken off again"


def test_what_the_location_of_the_assets_says_is_kept() -> None:
    text = server(
        "location ^~ / {\n proxy_set_header Host $host;\n add_header X-A 'b; c';\n proxy_pass http://frontend:80/app/;\n}\n"
        "error_page 500 502 /50x.html;\nerror_page 404 /404.html;\nlocation ~ \\.map$ { deny all; }"
    )
    result = manage(text, ASSETS)
    assert location(result, "^~", "/assets/") == [
        "proxy_set_header Host $host",
        "add_header X-A 'b; c'",
        "proxy_pass http://frontend-80/app/assets/",
        "error_page 500 502 /50x.html",
        "proxy_intercept_errors on",
        "recursive_error_pages on",
        "error_page 404 = @hotfix_previous_assets",
    ]
    previous = location(result, "@hotfix_previous_assets")
    assert previous[:2] == ["proxy_set_header Host $host", "add_header X-A 'b; c'"]
    assert "rewrite ^/(.*)$ /app/$1 break" in previous
    assert any("location ~ \\.map$" in note for note in result.notes)


def test_a_location_for_the_assets_that_is_there_is_used() -> None:
    text = server(
        "location / { proxy_pass http://backend:8081; }\n"
        "location /assets/ {\n expires 1y;\n proxy_pass http://frontend:80;\n}",
        above="proxy_set_header Host $host;",
    )
    result = manage(text, ASSETS)
    assert location(result, "/assets/") == [
        "expires 1y",
        "proxy_pass http://frontend-80",
        "proxy_intercept_errors on",
        "recursive_error_pages on",
        "error_page 404 = @hotfix_previous_assets",
    ]
    assert "expires 1y" in location(result, "@hotfix_previous_assets")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (server("location / { proxy_pass http://backend:80; }"), "does not pass /assets/ to frontend:80"),
        (server("location / { proxy_pass http://frontend:8080; }"), "does not pass /assets/ to frontend:80"),
        (
            server("location / {\n rewrite ^/a /b break;\n proxy_pass http://frontend:80;\n}"),
            "Line 7 of the proxy's configuration has 'rewrite'",
        ),
        (server("location / { proxy_pass http://frontend:80; location /x { return 404; } }"), "has 'location'"),
    ],
)
def test_assets_that_cannot_be_had_are_refused(text: str, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _nginx.manage(text, SERVICES, ASSETS)
    assert said in caught.value.what


# -- refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (server("location / {\n set $b backend;\n proxy_pass http://$b:8081;\n}"), "Line 8"),
        (server("location / { set $b http://backend:8081; proxy_pass $b; }"), "passes to a variable ($b)"),
        (server("location / { proxy_pass http://$http_x; }"), "passes to a variable"),
        (
            server("location / { proxy_pass http://${b}:80; }", top="map $host $b { default backend; x other; }"),
            "passes to a variable",
        ),
        ("events {}\nstream { server { listen 1; proxy_pass backend:8081; } }\n", "Line 2"),
        ("stream { upstream b { server backend:8081; } server { listen 1; proxy_pass b; } }\n", "passes a stream"),
        (server("location / { fastcgi_pass backend; }"), "names no port"),
        (server("location / { proxy_pass http://minio:9000; }"), "sends no traffic to backend, frontend, hocuspocus"),
        (
            server("location / { proxy_pass http://backend:80; }", top="upstream backend-80 { server 192.0.2.1; }"),
            "an upstream backend-80 of its own",
        ),
        ("location / { proxy_pass http://backend:8081; }\n", "no 'http' block"),
        ("http {\n server {\n", "line 2 has 'server' has no '}'"),
        ("http { }\n}\n", "line 2 has a '}' that ends nothing"),
        ("http { server { listen 80 } }\n", "'listen' has no ';'"),
        ("http { add_header X 'y; }\n", "a quotation that does not end"),
    ],
)
def test_what_cannot_follow_is_refused_by_line(text: str, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _nginx.manage(text, SERVICES)
    assert said in caught.value.what
    assert caught.value.next_step


def test_lua_is_stepped_over() -> None:
    text = server(
        "location /l { content_by_lua_block { local a = { 1, '}' .. \"{\" }; if x then end } }\n"
        "location / { proxy_pass http://backend:8081; }"
    )
    assert manage(text).upstreams == (("backend", 8081),)


# -- files and slots --------------------------------------------------------------------------------------


def test_files_of_a_dump() -> None:
    dumped = (
        "# configuration file /etc/nginx/nginx.conf:\nhttp {\n}\n\n# configuration file /etc/nginx/mime.types:\na;\n\n"
    )
    assert _nginx.files_of_dump(dumped) == {"/etc/nginx/nginx.conf": "http {\n}\n", "/etc/nginx/mime.types": "a;\n"}


def test_which_files_a_switch_has_to_reach() -> None:
    assert _nginx.concerns("location / { proxy_pass http://backend:1; }", SERVICES)
    assert _nginx.concerns("set $b backend; proxy_pass http://$b;", SERVICES)
    assert _nginx.concerns(manage(PLAIN).text, SERVICES)
    assert not _nginx.concerns("types { text/html html; }", SERVICES)
    assert not _nginx.concerns("upstream backend { server 192.0.2.1; } proxy_pass http://backend;", SERVICES)
    assert _nginx.names_services(PLAIN, SERVICES)[0] == "line 16: proxy_pass http://backend:8081/api/"


def test_the_folder_of_a_slot() -> None:
    def blue(service: str) -> str:
        return f"{service}-blue"

    text = _nginx_files.render_upstreams([("backend", 8081)], blue)
    assert text.endswith("upstream backend-8081 {\n    server backend-blue:8081;\n}\n")
    line = _nginx_files.render_server(_nginx_files.Server("server-1.conf", "backend", 1, "max_fails=0"), blue)
    assert line.endswith("\nserver backend-blue:1 max_fails=0;\n")
    assert _nginx_files.render_assets("frontend-blue").endswith("\nset $hotfix_previous_assets frontend-blue;\n")
    for rendered in (text, line, _nginx_files.render_assets(None)):
        _nginx.parse(rendered)
