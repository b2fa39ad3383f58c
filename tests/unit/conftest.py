# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No test fails because the machine has other work, and none by luck of the draw.

The examples are the same in each run. ``--hypothesis-profile=new`` draws other ones, and more of them, as the slow tier
does: what it finds is mended, and is a finding of that run, not of the change that happened to be tested.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("new", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("new"), derandomize=True, max_examples=50)
settings.load_profile("same")
