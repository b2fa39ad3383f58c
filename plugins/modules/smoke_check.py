#!/usr/bin/python

# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: smoke_check
short_description: Check that an app does what its users need, and tell "broken" from "could not look"
version_added: 0.1.0
description:
  - Makes all checks at all targets at once, in one process, within one time for all of them.
  - Every check ends as V(passed), V(failed) (it answered, and not as it must), V(error) (nothing answered, so nothing
    is known) or V(skipped). The module succeeds only when something passed, and nothing failed or could not be
    looked at.
  - An empty suite, a check that expects nothing, an unknown key and a name that is given twice are errors before the
    first request.
  - It runs where the task runs. From outside, as users do, is C(delegate_to=localhost).
  - It follows no redirect and uses no proxy of the environment.
author:
  - pangeafate.hotfix contributors (@pangeafate)
extends_documentation_fragment:
  - pangeafate.hotfix._attributes
attributes:
  check_mode:
    support: full
    details:
      - Everything that was given is checked, and no request is made.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing but what its checks make and put back.
  idempotent:
    support: full
options:
  checks:
    description:
      - The checks, at least one. Unknown keys are errors.
      - C(name) is required and unique. C(type) is required, V(http) or V(release).
      - C(retries) (2) is how often a check is made again until it passes, C(retry_interval) (0.5) the seconds between.
        C(timeout) (5) is the seconds that one request may take, all of it. C(skip) is a reason for which it is not
        made.
      - C(service) and C(port) name the containers that are asked for it before users reach a release, by
        M(pangeafate.hotfix.release). C(scope) is V(public), V(private) (of containers only, never by this module) or
        V(both), which is the default with a service.
      - With C(type=http) C(path) is required. C(method) defaults to GET. C(headers) are sent. C(body) is sent as JSON,
        or as it is when it is a text. C(expect) is required, and says what the answer must be.
      - C(expect) has one or more of C(status) (a number or a list), C(headers) and C(json) (by name, or by a path such
        as V($.items[0].id), a value or a dictionary of operators), C(contains) and C(not_contains) (a text of the
        body, or a list of them), and C(duration) (at most these seconds).
      - The operators are C(equals), C(not_equals), C(less_than), C(at_most), C(greater_than), C(at_least), C(contains),
        C(starts_with), C(ends_with), C(matches), C(exists) and C(is_empty).
      - C(capture) keeps values of an answer, by name a path in its JSON or C({header=Name}). They stand as C({name}) in
        what follows, C(then), a list of further requests that have the same keys, and C(cleanup), a list of requests
        that are made in any case once the first one may have made something. A cleanup defaults to the method DELETE,
        and is fine with a status of 2xx, 404 or 410. What could not be put back is reported, and fails the check.
      - With C(type=release) the containers that answer must be those in C(targets[].instances). C(header) is required,
        the response header in which the app names the container. C(path) defaults to V(/). C(requests) (3) is how often
        it is asked, each time on a connection of its own. Without instances the check is skipped.
    type: list
    elements: dict
    required: true
  secrets:
    description:
      - Values that a check may name as C({name}) in path, headers and body, such as a token.
      - They are hidden in everything that is returned. Headers that look like credentials take their value from here
        only, because checks are logged.
    type: dict
    default: {}
  targets:
    description: Where to look. Every check is made at each of them.
    type: list
    elements: dict
    required: true
    suboptions:
      url:
        description: Scheme and name as users have them, and perhaps the beginning of every path.
        type: str
        required: true
      name:
        description: How it is called in results. Defaults to O(targets[].address), or to the name in the URL.
        type: str
      address:
        description:
          - Where to connect, as C(host) or C(host:port), when the name leads elsewhere or to several hosts. The Host
            header and the name that the certificate is checked for stay those of the URL.
        type: str
      instances:
        description:
          - IDs and names of the containers that may answer, for checks of type V(release).
          - Without it these checks are skipped. An empty list says that they should be known and are not.
        type: list
        elements: str
      ca_file:
        description: File with the certificate authority of the URL, where the module runs.
        type: path
      validate_certs:
        description: Whether the certificate is verified.
        type: bool
        default: true
  timeout:
    description:
      - Seconds for all checks and their retries together. What is not over by then is an V(error).
      - Cleanups may take up to 15 seconds more.
    type: float
    default: 30.0
seealso:
  - module: pangeafate.hotfix.release
"""

EXAMPLES = r"""
- name: Look from outside, as users do
  pangeafate.hotfix.smoke_check:
    targets:
      - url: https://app.example.com
    checks:
      - name: the home page loads
        type: http
        path: /
        expect: {status: 200, contains: "</html>", duration: 3}
      - name: the API is healthy
        type: http
        path: /api/health
        expect:
          status: 200
          json: {$.status: healthy}
  delegate_to: localhost

- name: Save a note at each host past the load balancer, read it, and delete it
  pangeafate.hotfix.smoke_check:
    targets:
      - {name: app1, url: "https://app.example.com", address: 192.0.2.11}
      - {name: app2, url: "https://app.example.com", address: 192.0.2.12}
    checks:
      - name: a note can be saved
        type: http
        method: POST
        path: /api/notes/share
        body: {title: smoke check, content: written by a smoke check}
        expect: {status: 201}
        capture: {id: $.shareId}
        then:
          - path: /api/notes/{id}
            expect: {status: 200, json: {$.title: smoke check}}
        cleanup:
          - path: /api/notes/{id}
  delegate_to: localhost

- name: Ask with a token that no log shows
  pangeafate.hotfix.smoke_check:
    targets:
      - url: https://app.example.com
    secrets:
      admin_token: "{{ lookup('ansible.builtin.env', 'ADMIN_TOKEN') }}"
    checks:
      - name: the flags can be read
        type: http
        path: /api/feature-flags/admin/all
        headers: {x-admin-token: "{admin_token}"}
        expect: {status: 200, json: {$.flags: {is_empty: false}}}
  delegate_to: localhost
"""

RETURN = r"""
outcome:
  description:
    - V(seen) when all is well, V(planned) in check mode.
    - V(failed) when a check failed or could not look, V(bad_input) when what was given cannot be right.
  returned: always
  type: str
verdict:
  description:
    - V(passed), V(failed) (something is broken) or V(error) (nothing is known to be broken, but not all was seen).
  returned: when the checks were made
  type: str
summary:
  description: The verdict in one sentence, with the first things that are wrong.
  returned: when the checks were made, and in check mode
  type: str
counts:
  description: How many results are V(passed), V(failed), V(error) and V(skipped).
  returned: when the checks were made
  type: dict
seconds:
  description: What all of it took.
  returned: when the checks were made
  type: float
results:
  description: One for every check at every target.
  returned: when the checks were made
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
    type:
      description: Type of the check.
      type: str
    target:
      description: Name of the target.
      type: str
    status:
      description: V(passed), V(failed), V(error) or V(skipped).
      type: str
    message:
      description: Why.
      type: str
    seconds:
      description: What it took, retries included.
      type: float
    phases:
      description:
        - Seconds of the request that decided, by phase. These are C(resolve), C(connect), C(tls), C(processing) and
          C(transfer), as far as it came.
      type: dict
    attempts:
      description: Status, message and seconds of every attempt.
      type: list
      elements: dict
    evidence:
      description: The request that decided, and status, headers and the beginning of the body of its answer.
      type: dict
    leftovers:
      description: What could not be put back.
      type: list
      elements: str
notes:
  description: What was skipped, left behind, or passed only when it was made again.
  returned: when the checks were made
  type: list
  elements: str
plan:
  description: What would be looked at.
  returned: in check mode
  type: list
  elements: str
next_step:
  description: What to do next.
  returned: failure
  type: str
left:
  description: The state in which everything was left.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule  # pylint: disable=wrong-import-position
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.setup import Suite, smoke_options


def main() -> None:
    module = AnsibleModule(argument_spec=smoke_options(), supports_check_mode=True)
    try:
        suite = Suite(module.params)
        if module.check_mode:
            plan = suite.plan()
            module.exit_json(changed=False, outcome="planned", summary=plan[0], plan=plan)
        report = suite.run()
    except HotfixError as exc:
        module.fail_json(**exc.as_result())
    result = {**report.as_dict(), "verdict": report.verdict}
    if report.good:
        module.exit_json(changed=False, outcome="seen", **result)
    module.fail_json(
        msg=f"{report.summary} Next: {report.next_step}",
        outcome="failed",
        left=report.left,
        next_step=report.next_step,
        **result,
    )


if __name__ == "__main__":
    main()
