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
  - It runs where the task runs. From outside, as users do, is C(delegate_to=localhost). Checks that look at the app
    from its own host are made there, with O(scope=host).
  - It uses no proxy of the environment, and follows redirects only where a check says so.
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
      - C(name) is required and unique. C(type) is required, and says what is looked at.
      - C(retries) (2) is how often a check is made again until it passes, C(retry_interval) (0.5) the seconds between.
        C(timeout) (5) is the seconds that one request may take, all of it. C(skip) is a reason for which it is not
        made.
      - C(success_threshold) (1) is how many attempts in a row must pass. C(failure_threshold) attempts in a row that do
        not pass end it, though retries are left; by default only the last retry does.
      - C(verify) (false) marks the check of an incident, which fails now and must pass once the fix is there. Without
        O(baseline) it is not held against the app. With one it must pass.
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
      - C(follow_redirects) (0) is how many redirects are followed. To another origin go neither headers nor a body.
      - With C(type=page) the HTML page at C(path) (V(/)) must load with every script and stylesheet that it names, each
        of a fitting content type, within C(budget) (3) seconds. It must hold C(contains) (V(</html>)) and name
        C(scripts_at_least) (0) scripts. C(assets) is V(all) or V(same_origin), C(follow_redirects) is 5.
      - With C(type=health) the JSON at C(path) (V(/api/health)) must say that the app and every part it names are
        healthy. C(healthy) are the words that mean it, C(services) are parts of which it must speak.
      - With C(type=crud) a document is created, read, edited, read, deleted, and looked for. C(path) is required.
        C(create), C(read), C(edit) and C(delete) may have C(method), C(path), C(headers), C(body) and C(expect).
        C(create) may have C(id), where the answer has the ID. C(shows) of C(create) and C(edit) is what reading it must
        show then, by default the values of the body. C(edit=false) leaves that out. The document is deleted whatever
        fails.
      - With C(type=cors) pages of C(origin), or of each of C(origins), must be able to make a request to C(path) with
        C(method) (POST), C(request_headers) (content-type) and, if C(credentials), cookies. Pages of C(foreign_origin)
        (V(https://foreign.example)) must not, unless C(allow_any).
      - With C(type=not_found) there must be nothing at C(path), which is required and may hold C({random}). C(status)
        is 404.
      - With C(type=rate_limit) C(requests) (5) quick ones to C(path) must each be answered by one of C(statuses) (200
        and 429). With C(limited_after) it is asked until it is refused, which must come after so many within C(window)
        (1) seconds. That is done when the other checks are over.
      - With C(type=latency) C(requests) (20) to C(path), by C(workers) (4) at once, must take at most the seconds in
        C(expect), which has one or more of C(p50), C(p90), C(p95), C(p99), C(max) and C(avg). C(keep_alive) (true),
        C(pause) (0) and C(status) (200) say how, and what each must be answered.
      - With C(type=release) the containers that answer must be those in C(targets[].instances). C(header) is required,
        the response header in which the app names the container. C(path) defaults to V(/). C(requests) (3) is how often
        it is asked, each time on a connection of its own. Without instances the check is skipped.
      - With C(type=browser) a headless Chromium or Chrome opens the page at C(path) (V(/)). It must load within
        C(budget) (10) seconds with a status below 400, without an uncaught exception, an error in the console, or a
        request that fails. C(expect) may have C(title) and C(contains) (texts in the title, and in what the page shows)
        and C(selector) (a CSS selector that fits something), each a text or a list. C(allow) is a list of regular
        expressions of lines that are no errors. C(timeout) defaults to the budget and 10 seconds. Where no browser is
        installed it is skipped.
      - With C(type=websocket) a WebSocket is opened at C(path), which is required, its accept key is verified, and it
        is closed cleanly. C(send) is a text whose echo must come back; C(expect) may have C(equals) or C(contains)
        instead. Without them a ping must be answered. C(headers), C(origin) and C(subprotocol) are sent.
      - With C(type=tls) the certificate must be trusted (whatever C(targets[].validate_certs) says), of the right name
        and good for C(days_left) (14) days more. C(min_version) (V(TLSv1.2), or V(TLSv1.3)) must be spoken, and what
        is older refused. Where users come without TLS it is skipped.
      - With C(type=tcp) something must listen at C(connect), a C(host:port) or a port of the target, by default the
        target's own. C(banner) is a regular expression for what it says first.
      - With C(type=command) a program is run on the host. C(command) is required, a list of its words. C(in) is a
        service in one of whose containers it runs instead. C(environment) are variables for it, and the only place for
        secrets. C(expect) may have C(exit_code) (0), C(contains), C(not_contains) and C(matches) (a regular
        expression).
      - With C(type=database) the database of O(app.database) must answer and have less than C(connections_below) (0.8,
        a share) of its connections taken. No query may run longer than C(longest_query) seconds, where that is set.
      - With C(type=logs) the containers of C(services) must write no error of a kind that they did not write before.
        C(pattern) is what makes a line an error and C(ignore) what makes it none, both regular expressions. The last
        C(since) seconds (by default those since the release, or 300) are compared with C(before) (3600) seconds.
      - With C(type=memory) the memory of no container of C(services) may grow by more than C(at_most) MB an hour,
        which is required. It is watched for C(minutes) (10), by which the run takes longer.
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
  scope:
    description:
      - Which of O(checks) are made. V(public) are those from outside, at O(targets).
      - V(host) are those of the types V(command), V(database), V(logs) and V(memory), on the host where the task runs.
        They need no O(targets).
    type: str
    choices: [public, host]
    default: public
  app:
    description:
      - The app on this host, with O(scope=host).
      - Only checks of type V(command) that run on the host itself can do without.
    type: dict
    suboptions:
      app_dir:
        description: Absolute path of the app's folder. What its C(.env) holds as secrets is hidden in all results.
        type: path
      project:
        description: Name of the Compose project. Defaults to the last part of O(app.app_dir).
        type: str
      services:
        description: The switched services. Where a check names none, it looks at these, or at all if there are none.
        type: list
        elements: str
        default: []
      database:
        description: The app's database, for checks of type V(database).
        type: dict
        suboptions:
          type:
            description: What kind of database it is.
            type: str
            choices: [postgresql]
            default: postgresql
          service:
            description: Its service in the Compose project.
            type: str
          name:
            description: Name of the database.
            type: str
          user:
            description: User to look as.
            type: str
          host:
            description: On which host its container runs, where that is another one. It is looked at there only.
            type: str
      host_name:
        description: How this host is called in results and in O(app.database.host).
        type: str
  targets:
    description: Where to look. Every check is made at each of them. At least one with O(scope=public).
    type: list
    elements: dict
    default: []
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
  concurrency:
    description: How many checks are made at once, in their order. With V(0) all of them.
    type: int
    default: 0
  baseline:
    description:
      - What an earlier run found, as the path of the file that it saved or as a dictionary with its C(results).
      - A check that did not pass there, and is no worse now, is told as such and counted apart. It makes the verdict no
        worse. One that answered there and does not answer now is worse.
      - It is matched by the names of check and target. With an empty list of C(results) everything must pass, checks
        with C(verify) too.
    type: raw
  save:
    description:
      - File for what was found, where the module runs, as JSON. A later run can take it for its O(baseline).
      - It can be read by its owner only, because the beginnings of answers are in it. Hosts that share one file
        overwrite each other; for those there is M(pangeafate.hotfix.smoke_report).
    type: path
  evidence_dir:
    description:
      - A folder where the module runs, for files that show something, such as screenshots by checks of type V(browser).
        It is made where it is missing. Its files can be read by their owner only.
      - Without it there are none.
    type: path
  browser_path:
    description:
      - The browser for checks of type V(browser), a Chromium or a Chrome. By default it is looked for by its usual
        names.
    type: path
seealso:
  - module: pangeafate.hotfix.release
  - module: pangeafate.hotfix.smoke_report
  - plugin: pangeafate.hotfix.suite
    plugin_type: lookup
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

- name: Look at the app from its own host
  pangeafate.hotfix.smoke_check:
    scope: host
    app:
      app_dir: /srv/notes
      services: [backend, frontend]
      database: {service: postgres, name: notes, user: notes}
    checks:
      - name: the disk has room
        type: command
        command: [sh, -c, 'test "$(df --output=pcent /srv | tail -1 | tr -dc 0-9)" -lt 90']
      - name: the database has connections to spare
        type: database
        connections_below: 0.8
      - name: no new errors
        type: logs
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
  description:
    - How many results are V(passed), V(failed), V(error) and V(skipped).
    - Under C(known) those that are bad and not held against the app, which are in no other number.
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
    verify:
      description: Whether it is the check of an incident.
      type: bool
    before:
      description: Its status in the baseline.
      type: str
    known:
      description: Whether it is bad and not held against the app, because it was so before or shows the incident.
      type: bool
notes:
  description:
    - What was skipped, left behind, passed only when it was made again, or was so before.
  returned: when the checks were made
  type: list
  elements: str
clock:
  description: The clock of where the checks were made, when that began and when it ended, as C(began) and C(ended).
  returned: when the checks were made
  type: dict
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
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp, utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.setup import Suite, smoke_options


def main() -> None:
    module = AnsibleModule(argument_spec=smoke_options(), supports_check_mode=True)
    try:
        suite = Suite(module.params)
        if module.check_mode:
            plan = suite.plan()
            module.exit_json(changed=False, outcome="planned", summary=plan[0], plan=plan)
        began = utc_now()
        report = suite.run()
    except HotfixError as exc:
        module.fail_json(**exc.as_result())
    clock = {"began": stamp(began), "ended": stamp(utc_now())}
    result = {**report.as_dict(), "verdict": report.verdict, "clock": clock}
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
