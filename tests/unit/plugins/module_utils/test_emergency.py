# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _emergency
from ansible_collections.pangeafate.hotfix.plugins.module_utils._built import Built
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image

SERVICES = {name: {"image": f"registry.example.com/{name}"} for name in ("backend", "web", "worker")}
OLD, NEW = "hotfix-20260102T030405Z", "hotfix-20260102T040506Z"
OFFLINE = (1, "", "dial tcp: connection refused")
UNKNOWN = (1, "", "manifest unknown")


def content(name: str) -> str:
    return "sha256:" + name.encode().hex().ljust(64, "0")


def entry(name: str, repository: str = "", build: str = "", services: str = "") -> t.Dict[str, t.Any]:
    labels = {"org.opencontainers.image.revision": f"commit of {name}"}
    if build:
        labels["pangeafate.hotfix.build"] = build
    if services:
        labels["pangeafate.hotfix.build.services"] = services
    digests = [f"registry.example.com/{repository}@{content(name)}"] if repository else []
    return {"Id": content(name), "RepoDigests": digests, "Config": {"Labels": labels, "Env": None}}


@pytest.fixture
def host(make_host, make, releases, runner):
    """A host with v1 of three services as its current release."""
    release = make("v1", "preparing", "prepared", "live", "confirmed")
    release.images = {}
    for name in SERVICES:
        digest = f"registry.example.com/{name}@{content(name + '1')}"
        release.images[name] = Image(f"registry.example.com/{name}:v1", content(name + "1"), digest=digest)
        runner.images[digest] = runner.images[content(name + "1")] = entry(name + "1", name)
    releases.save(release)
    return make_host(services=SERVICES)


def push(runner, name: str, build: str, services: str, *, content_of: str = "") -> str:
    """Let the registry have an image of a build as the emergency one, and the engine after it was pulled."""
    image = entry(content_of or name + build, name, build, services)
    runner.images[f"registry.example.com/{name}:emergency"] = image
    runner.images[image["RepoDigests"][0]] = image
    return str(image["RepoDigests"][0])


def none(runner, *names: str) -> None:
    for name in names:
        runner.answers[("pull", "--quiet", f"registry.example.com/{name}:emergency")] = UNKNOWN
        runner.answers[("manifest", "inspect", "--verbose", f"registry.example.com/{name}:emergency")] = UNKNOWN


def built(name: str, tag: str = NEW, digest: bool = True) -> Built:
    repository = f"registry.example.com/{name}"
    pin = f"{repository}@{content(name + tag)}" if digest else None
    return Built(f"{repository}:{tag}", content(name + tag), pin)


# -- version: emergency ----------------------------------------------------------------------------------------


def test_the_services_of_the_newest_build_are_taken_and_all_others_stay(host, runner) -> None:
    digest = push(runner, "backend", NEW, "backend")
    push(runner, "web", OLD, "web,backend")
    none(runner, "worker")
    found = _emergency.obtain(host, "emergency", {})
    assert found.version == NEW
    assert found.images["backend"].pin == digest
    assert found.images["backend"].reference == f"registry.example.com/backend:{NEW}"
    assert found.images["backend"].revision == f"commit of backend{NEW}"
    assert found.images["backend"].source is None
    assert found.images["web"].reference == "registry.example.com/web:v1"
    assert found.images["worker"].reference == "registry.example.com/worker:v1"
    assert found.notes == ["As they are: web (registry.example.com/web:v1), worker (registry.example.com/worker:v1)."]


def test_a_tag_without_labels_does_no_harm_beside_a_build(host, runner) -> None:
    push(runner, "backend", NEW, "backend")
    push(runner, "web", "", "")
    push(runner, "worker", "hotfix-from-hand", "worker")
    found = _emergency.obtain(host, "emergency", {})
    assert [name for name, image in found.images.items() if not image.reference.endswith(":v1")] == ["backend"]


def test_without_any_build_labels_it_is_refused(host, runner) -> None:
    push(runner, "backend", "", "")
    none(runner, "web", "worker")
    with pytest.raises(
        HotfixError, match="No image that is tagged 'emergency' comes from an emergency build"
    ) as caught:
        _emergency.obtain(host, "emergency", {})
    assert caught.value.code == "bad_input"
    assert "backend: no label pangeafate.hotfix.build; web: the registry has none; " in caught.value.what
    assert "emergency_build.yml" in caught.value.next_step


def test_a_registry_that_cannot_be_asked_is_not_one_without_a_build(host, runner) -> None:
    runner.answers[("pull",)] = OFFLINE
    with pytest.raises(HotfixError, match="The registry could not be asked for the newest emergency build") as caught:
        _emergency.obtain(host, "emergency", {})
    assert caught.value.code == "failed"
    assert "image_transfer" in caught.value.next_step


def test_a_build_of_which_one_service_was_not_pushed_is_refused(host, runner) -> None:
    push(runner, "backend", NEW, "backend,web")
    push(runner, "web", OLD, "web")
    none(runner, "worker")
    with pytest.raises(HotfixError, match=f"Build {NEW} is of backend, web, but not all of them.*web: {OLD}"):
        _emergency.obtain(host, "emergency", {})


def test_a_build_of_a_service_that_is_not_switched_here_is_refused(host, runner) -> None:
    push(runner, "backend", NEW, "backend,mailer")
    none(runner, "web", "worker")
    with pytest.raises(HotfixError, match="mailer is no switched service here"):
        _emergency.obtain(host, "emergency", {})


def test_a_copy_on_the_host_is_not_taken_for_what_the_registry_no_longer_has(host, runner) -> None:
    push(runner, "backend", OLD, "backend")
    push(runner, "web", NEW, "web")
    none(runner, "web", "worker")
    assert _emergency.obtain(host, "emergency", {}).version == OLD


def test_with_the_registry_down_what_was_sent_to_the_host_does(host, runner) -> None:
    image = entry("sent", "", NEW, "backend")
    runner.images["registry.example.com/backend:emergency"] = image
    runner.answers[("pull",)] = OFFLINE
    found = _emergency.obtain(host, "emergency", {})
    assert found.version == NEW
    assert (found.images["backend"].pin, found.images["backend"].source) == (content("sent"), "transferred")
    assert "The registry could not be asked for registry.example.com/backend:emergency" in found.notes[0]
    assert "Pinned by image ID, for no registry has them: backend." in found.notes


def test_another_refusal_of_the_registry_is_told(host, runner) -> None:
    push(runner, "backend", NEW, "backend")
    runner.answers[("pull", "--quiet", "registry.example.com/web:emergency")] = (1, "", "unauthorized: no")
    with pytest.raises(HotfixError, match="unauthorized"):
        _emergency.obtain(host, "emergency", {})


def test_what_runs_already_keeps_its_pin(host, runner, releases) -> None:
    current = releases.current()
    current.images["backend"] = Image("registry.example.com/backend:x", content("same"), source="transferred")
    releases.save(current)
    push(runner, "backend", NEW, "backend", content_of="same")
    none(runner, "web", "worker")
    # Or the same images would be deployed once more, now that a registry has them.
    assert _emergency.obtain(host, "emergency", {}).images == current.images


# -- images that were given ------------------------------------------------------------------------------------


def test_an_image_with_a_digest_is_pulled_by_it(host, runner) -> None:
    one = built("backend")
    runner.answers[("pull", "--quiet", one.digest)] = lambda _words: (
        runner.images.update({one.digest: entry("backend" + NEW, "backend")}) or (0, "", "")
    )
    # A tag on the host or in the registry is of no interest.
    push(runner, "web", NEW, "web")
    found = _emergency.obtain(host, "", {"backend": one})
    assert (found.version, found.images["backend"].pin) == (NEW, one.digest)
    assert found.images["web"].reference == "registry.example.com/web:v1"
    assert [words for words in runner.calls if words[0] == "pull"] == [("pull", "--quiet", one.digest)]


def test_a_digest_that_is_here_is_not_pulled(host, runner) -> None:
    one = built("backend")
    runner.images[one.digest] = entry("backend" + NEW, "backend")
    assert _emergency.obtain(host, "", {"backend": one}).images["backend"].pin == one.digest
    assert not [words for words in runner.calls if words[0] == "pull"]


def test_an_image_without_a_digest_is_taken_by_its_id(host, runner) -> None:
    one = built("backend", digest=False)
    runner.images[one.image_id] = entry("backend" + NEW)
    image = _emergency.obtain(host, "", {"backend": one}).images["backend"]
    assert (image.pin, image.source, image.revision) == (one.image_id, "transferred", f"commit of backend{NEW}")


def test_one_that_is_not_on_the_host_says_how_it_gets_there(host) -> None:
    with pytest.raises(HotfixError, match="is not on this host under its ID") as caught:
        _emergency.obtain(host, "", {"backend": built("backend", digest=False)})
    assert "image_transfer" in caught.value.next_step


def test_a_digest_that_cannot_be_pulled_is_taken_by_its_id_or_refused(host, runner) -> None:
    one = built("backend")
    runner.answers[("pull",)] = OFFLINE
    with pytest.raises(HotfixError, match="could not be pulled: dial tcp: connection refused"):
        _emergency.obtain(host, "", {"backend": one})
    runner.images[one.image_id] = entry("backend" + NEW)
    found = _emergency.obtain(host, "", {"backend": one})
    assert (found.images["backend"].pin, found.images["backend"].source) == (one.image_id, "transferred")
    assert "The registry could not be asked for" in found.notes[0]


def test_a_service_that_is_not_switched_is_refused(host) -> None:
    with pytest.raises(HotfixError, match="Unknown service mailer"):
        _emergency.obtain(host, "", {"mailer": built("mailer")})


def test_an_image_of_another_repository_is_refused(host) -> None:
    with pytest.raises(HotfixError, match=r"not of the repository registry.example.com/backend"):
        _emergency.obtain(host, "", {"backend": built("web")})


# -- what the others keep --------------------------------------------------------------------------------------


def test_a_kept_image_that_is_gone_is_pulled_by_its_digest(host, runner) -> None:
    push(runner, "backend", NEW, "backend")
    none(runner, "worker", "web")
    digest = f"registry.example.com/web@{content('web1')}"
    del runner.images[digest], runner.images[content("web1")]
    _emergency.obtain(host, "emergency", {})
    assert ("pull", "--quiet", digest) in runner.calls
    runner.answers[("pull", "--quiet", digest)] = OFFLINE
    with pytest.raises(HotfixError, match=r"The image that web keeps, registry.example.com/web:v1, is gone"):
        _emergency.obtain(host, "emergency", {})


def test_a_kept_image_that_only_lost_its_name_is_pinned_by_its_id(host, runner) -> None:
    push(runner, "backend", NEW, "backend")
    none(runner, "worker", "web")
    del runner.images[f"registry.example.com/web@{content('web1')}"]
    assert _emergency.obtain(host, "emergency", {}).images["web"].pin == content("web1")


def test_after_an_unfinished_rollback_the_others_keep_what_it_was_going_to(host, make, releases) -> None:
    older = releases.current()
    newer = make("v2", "preparing", "prepared", "live", "confirmed")
    newer.images = {name: Image(f"registry.example.com/{name}:v2", content(name + "2")) for name in SERVICES}
    releases.save(newer)
    assert _emergency.kept(host)["web"].reference == "registry.example.com/web:v2"
    host.journal.append(
        {"run": "r", "action": "rollback", "step": "switch", "phase": "begin", "release": older.id, "owner": "ann"}
    )
    assert _emergency.kept(host)["web"].reference == "registry.example.com/web:v1"


def test_where_the_link_is_lost_the_others_keep_what_was_live_last(host, tmp_path) -> None:
    (tmp_path / "current").unlink()
    assert _emergency.kept(host)["web"].reference == "registry.example.com/web:v1"


def test_at_the_first_contact_the_others_keep_what_runs(make_host, runner) -> None:
    for name in SERVICES:
        image = entry(name + "1", name)
        runner.images[content(name + "1")] = runner.images[image["RepoDigests"][0]] = image
        runner.add(name, image=content(name + "1"))
    push(runner, "backend", NEW, "backend")
    none(runner, "web", "worker")
    found = _emergency.obtain(make_host(services=SERVICES), "emergency", {})
    assert found.images["web"].pin == f"registry.example.com/web@{content('web1')}"


# -- looking only ----------------------------------------------------------------------------------------------


def test_a_plan_reads_the_labels_of_what_is_here(host, runner) -> None:
    digest = push(runner, "backend", NEW, "backend")
    none(runner, "web", "worker")
    runner.answers[("manifest", "inspect", "--verbose", "registry.example.com/backend:emergency")] = (
        0,
        '{"Descriptor": {"digest": "' + digest.partition("@")[2] + '"}}',
        "",
    )
    found = _emergency.foresee(host, {})
    assert (found.version, found.certain, found.images["backend"].pin) == (NEW, True, digest)
    assert not [words for words in runner.calls if words[0] == "pull"]


def test_a_plan_asks_the_registry_for_labels(host, runner) -> None:
    none(runner, "web", "worker")
    runner.answers[("manifest", "inspect", "--verbose", "registry.example.com/backend:emergency")] = (
        0,
        '{"Descriptor": {"digest": "sha256:9"}}',
        "",
    )
    runner.answers[("buildx", "imagetools", "inspect")] = (
        0,
        '{"config": {"Labels": {"pangeafate.hotfix.build": "' + NEW + '"}}}',
        "",
    )
    found = _emergency.foresee(host, {})
    assert (found.version, found.images["backend"].pin) == (NEW, "registry.example.com/backend@sha256:9")


def test_a_plan_says_what_is_not_known_before_images_are_pulled(host, runner) -> None:
    none(runner, "web", "worker")
    runner.answers[("manifest", "inspect", "--verbose", "registry.example.com/backend:emergency")] = (
        0,
        '{"Descriptor": {"digest": "sha256:9"}}',
        "",
    )
    runner.answers[("buildx",)] = (1, "", "docker: 'buildx' is not a docker command.")
    found = _emergency.foresee(host, {})
    assert not found.certain
    assert "is known once its images are pulled (backend: " in found.notes[0]


def test_a_plan_of_given_images_says_what_would_have_to_be_sent(host) -> None:
    found = _emergency.foresee(host, {"backend": built("backend", digest=False), "web": built("web")})
    assert found.images["web"].pin == f"registry.example.com/web@{content('web' + NEW)}"
    assert (
        f"The image registry.example.com/backend:{NEW} is not on this host yet; it would have to be sent."
        in found.notes
    )
    assert "As they are: worker (registry.example.com/worker:v1)." in found.notes
