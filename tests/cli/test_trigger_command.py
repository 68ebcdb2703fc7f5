"""`tidegate trigger`: which triggers there are, and switching them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.ids import ExecutionId
from engine.settings import Settings
from engine.state.trigger import Met, Window
from engine.store.open import open_store
from support.command_line import Place

FLOW = """
id: flow
namespace: shop.orders
tasks: [{id: say, type: core.log.Log, message: hello}]
triggers:
  - {id: daily, type: core.trigger.Schedule, cron: "0 6 * * *"}
  - {id: hook, type: core.trigger.Webhook, key: secret-key, disabled: true}
"""
BOTH = "core.trigger.Flow, dependsOn: [{flowId: one}, {flowId: other}]"
NAME = "shop.orders.flow.daily"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    assert made.call("trigger", "list") == "No triggers.\n"
    made.call("run", made.flow(FLOW))
    return made


def test_triggers_are_listed_and_shown(place: Place) -> None:
    found = json.loads(place.call("trigger", "list", "--json"))
    assert [(it["flow"], it["id"], it["disabled"]) for it in found] == [
        ("flow", "daily", False),
        ("flow", "hook", True),
    ]
    assert "secret-key" not in json.dumps(found)
    assert json.loads(place.call("trigger", "list", "-n", "elsewhere", "--json")) == []
    assert "core.trigger.Schedule  enabled" in place.call("trigger", "list")
    assert place.call("trigger", "show", NAME).startswith(f"{NAME}  core.trigger.Schedule  enabled")


def test_a_trigger_is_switched_off_and_on(place: Place) -> None:
    assert "disabled" in place.call("trigger", "disable", NAME)
    place.call("run", place.flow(FLOW.replace("hello", "edited")))
    assert json.loads(place.call("trigger", "show", NAME, "--json"))["disabled"] is True
    assert "enabled" in place.call("trigger", "enable", NAME, "--recover", "last")


def test_what_can_not_be_is_told(place: Place) -> None:
    assert f"did you mean '{NAME}'" in place.call("trigger", "disable", "shop.orders.flow.dialy", code=2)
    assert "remove `disabled: true` there" in place.call("trigger", "enable", "shop.orders.flow.hook", code=2)
    assert "--recover is one of NONE, LAST, ALL" in place.call("trigger", "enable", NAME, "--recover", "some", code=2)


async def test_what_has_happened_of_all_that_is_waited_for_is_shown(place: Place) -> None:
    place.call("run", place.flow(FLOW.replace('core.trigger.Schedule, cron: "0 6 * * *"', BOTH)))
    async with open_store(place.data, Settings()) as store:
        state = await store.triggers.get("shop.orders", "flow", "daily")
        window = Window("dependsOn", 0, 86_400_000, {"one": Met(ExecutionId("upstream"), 3_600_000)})
        await store.triggers.save(replace(state, windows=(window,), version=state.version + 1))
    shown = place.call("trigger", "show", NAME)
    assert "in the window dependsOn until 1970-01-02" in shown
    assert "one by upstream at 1970-01-01" in shown
    (found,) = json.loads(place.call("trigger", "show", NAME, "--json"))["windows"]
    assert found["happened"] == {"one": {"execution": "upstream", "at": "1970-01-01T01:00:00.000Z"}}


def test_the_next_dates_of_a_schedule_are_shown(place: Place) -> None:
    shown = place.call("trigger", "dates", NAME, "--after", "2026-03-27T12:00:00Z", "--count", "3", TZ="Europe/Paris")
    assert shown.splitlines() == [
        "2026-03-28T06:00:00+01:00  2026-03-28T05:00:00Z",
        "2026-03-29T06:00:00+02:00  2026-03-29T04:00:00Z *",
        "2026-03-30T06:00:00+02:00  2026-03-30T04:00:00Z",
    ]
    assert "has no dates, it is a Webhook" in place.call("trigger", "dates", "shop.orders.flow.hook", code=2)


def test_a_backfill_is_begun_paused_and_ended(place: Place) -> None:
    begin = ("--start", "2026-01-01", "--end", "2026-01-03", "-i", "day=1", "--label", "kind=backfill", "--json")
    made = json.loads(place.call("trigger", "backfill", NAME, *begin))["backfill"]
    assert (made["paused"], made["inputs"], made["labels"]) == (False, {"day": "1"}, {"kind": "backfill"})
    assert "backfill: paused at" in place.call("trigger", "backfill", NAME, "--pause")
    assert "a backfill of 'daily' is under way" in place.call("trigger", "backfill", NAME, *begin[:2], code=2)
    assert "backfill" not in place.call("trigger", "backfill", NAME, "--cancel")
    assert "No backfill found" in place.call("trigger", "backfill", NAME, "--resume", code=2)
    assert "say --start MOMENT" in place.call("trigger", "backfill", NAME, code=2)
    assert "Trigger is not locked" in place.call("trigger", "unlock", NAME, code=2)
