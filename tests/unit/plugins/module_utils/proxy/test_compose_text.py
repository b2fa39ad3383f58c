# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume more in a Compose file, whatever its style; nothing else is touched."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose_text

NEW = "./proxy:/etc/nginx/hotfix:ro"

PLAIN = """\
# the app
services:

  backend:
    image: backend
    volumes:
      - data:/data

  nginx:  # the proxy
    image: nginx
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro   # in place
      # certificates
      - ./certs:/certs:ro

    networks: [app]
volumes:
  data:
"""
OTHERS = {
    "dashes below the key": "services:\n  nginx:\n    volumes:\n    - a:/a\n    image: nginx\n",
    "no volumes yet": "services:\n  nginx:\n    image: nginx\n  other:\n    volumes:\n      - b:/b\n",
    "the end of the file": "services:\n  nginx:\n    volumes:\n      - a:/a",
    "long entries": (
        "services:\n  nginx:\n    volumes:\n      - type: bind\n        source: ./a\n        target: /a\n    image: x\n"
    ),
    "quoted": "'services':\n    \"nginx\":\n        volumes:\n            - a:/a\n",
}


def test_one_line_more() -> None:
    text = _compose_text.add_volume(PLAIN, "nginx", NEW)
    line = "      - ./certs:/certs:ro\n"
    assert text == PLAIN.replace(line, f"{line}      - {NEW}\n")


@pytest.mark.parametrize("style", OTHERS)
def test_other_styles(style: str) -> None:
    before = yaml.safe_load(OTHERS[style])
    after = yaml.safe_load(_compose_text.add_volume(OTHERS[style], "nginx", NEW) or "")
    assert after["services"]["nginx"]["volumes"].pop() == NEW
    assert {**before["services"]["nginx"], "volumes": before["services"]["nginx"].get("volumes", [])} == (
        {**after["services"]["nginx"]}
    )
    assert after["services"].get("other") == before["services"].get("other")


@pytest.mark.parametrize(
    "text",
    [
        "services: {nginx: {image: nginx}}\n",
        "services:\n  nginx: {image: nginx}\n",
        "services:\n  nginx:\n    volumes: [a:/a]\n",
        "services:\n  nginx:\n    volumes: *shared\n",
        "services:\n  nginx:\n    volumes:\n",
        "services:\n  other:\n    image: x\nx-nginx:\n  nginx:\n    image: x\n",
        "nginx:\n  image: nginx\n",
        "services:\n  nginx:\n",
        "",
    ],
)
def test_what_is_not_plain_is_left_to_people(text: str) -> None:
    assert _compose_text.add_volume(text, "nginx", NEW) is None
