"""Shell scripts as real processes."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import InvalidFlow
from engine.plugin.testing import TestRun, run_task
from engine.settings import Process, Settings
from plugins.script.shell import Commands, Script

PROCESS = {"type": "io.kestra.plugin.core.runner.Process"}


async def shell(*commands: str, **properties: object) -> TestRun:
    return await run_task(Commands, {"taskRunner": PROCESS, "commands": list(commands), **properties})


async def test_lines_are_logged_with_the_level_of_their_stream() -> None:
    ran = await shell("echo out", "echo bad >&2")
    assert ran.state == "SUCCESS"
    assert sorted((line.level, line.message) for line in ran.logs) == [("ERROR", "bad"), ("INFO", "out")]
    assert ran.outputs == {"vars": {}, "exitCode": 0, "outputFiles": {}}


async def test_commands_share_one_shell_and_its_folder() -> None:
    ran = await shell("X=1; mkdir d; cd d", 'echo "$X $(basename $PWD)"', beforeCommands=["X=0; echo first"])
    assert ran.messages == ["first", "1 d"]


async def test_the_first_failure_stops_and_its_code_is_said() -> None:
    ran = await shell('echo \'::{"outputs":{"a":1}}::\'', "sh -c 'exit 3'", "echo never")
    assert ran.state == "FAILED"
    assert ran.messages == ["Command failed with exit code 3"]
    assert ran.outputs == {"vars": {"a": 1}, "exitCode": 3, "outputFiles": {}}


async def test_without_fail_fast_the_last_command_decides() -> None:
    assert (await shell("false", "echo on", failFast=False)).messages == ["on"]
    assert (await shell("false", "sh -c 'exit 4'", failFast=False)).outputs["exitCode"] == 4


async def test_a_signal_ends_with_the_code_that_shells_give() -> None:
    ran = await shell("kill -9 $$")
    assert (ran.state, ran.outputs["exitCode"]) == ("FAILED", 137)


async def test_outputs_metrics_and_logs_are_handed_over() -> None:
    ran = await shell(
        """echo '::{"outputs":{"n":1,"s":"x"},"logs":[{"level":"WARN","message":"careful"},{"message":"plain"}]}::'""",
        """echo '::{"outputs":{"n":2},"metrics":[{"name":"rows","type":"counter","value":12,"tags":{"k":1}}]}::'""",
        """echo '::{"metrics":[{"name":"took","type":"timer","value":1.5}]}::'""",
        """echo '::{"metrics":[{"name":"iso","type":"timer","value":"PT2S"}]}::'""",
        """echo '::{"outputs":{"e":3},"metrics":[{"name":"now","type":"gauge","value":7}]}::' >&2""",
        "echo 'a ::{\"outputs\":{}}:: b'",
    )
    assert ran.outputs["vars"] == {"n": 2, "s": "x", "e": 3}
    assert {(m.name, m.type, m.value) for m in ran.metrics} == {
        ("rows", "counter", 12),
        ("took", "timer", 1500),
        ("iso", "timer", 2000),
        ("now", "gauge", 7),
    }
    assert next(metric.tags for metric in ran.metrics if metric.name == "rows") == {"k": "1"}
    assert sorted((line.level, line.message) for line in ran.logs) == [
        ("INFO", 'a ::{"outputs":{}}:: b'),
        ("INFO", "plain"),
        ("WARN", "careful"),
    ]


@pytest.mark.parametrize(
    "line", ['{"outputs": nope}', '{"outputs": [1]}', '{"metrics": [{"name": "x", "type": "odd"}]}', '{"logs": [1]}']
)
async def test_what_is_handed_over_wrongly_is_a_warning(line: str) -> None:
    ran = await shell(f"echo '::{line}::'")
    assert ran.state == "SUCCESS"
    (logged,) = ran.logs
    assert logged.level == "WARN"
    assert logged.message.startswith("Invalid outputs")


async def test_files_go_in_and_out() -> None:
    ran = await run_task(
        Commands,
        {
            "taskRunner": PROCESS,
            "inputFiles": {"in.txt": "{{ inputs.file }}", "sub/text.txt": "{{ vars.x }}", "none": None},
            "outputFiles": ["*.out", "deep/**", "named.txt"],
            "commands": [
                "cat in.txt sub/text.txt none > a.out",
                "mkdir -p deep/er; echo 1 > deep/er/file",
                "echo there > {{ outputFiles['named.txt'] }}",
                'echo {{ workingDir }} > place.out; test "$WORKING_DIR" = {{ workingDir }}',
                "cat {{ inputs.file }} >> a.out",
            ],
        },
        variables={"x": "text"},
        files={"file": b"content\n"},
    )
    assert ran.state == "SUCCESS", ran.messages
    kept = {name: ran.files[uri] for name, uri in ran.outputs["outputFiles"].items()}
    assert kept.pop("place.out").startswith(b"/")
    assert kept == {"a.out": b"content\ntextcontent\n", "deep/er/file": b"1\n", "named.txt": b"there\n"}


async def test_files_of_a_failed_script_are_kept() -> None:
    ran = await shell("echo x > a.log", "false", outputFiles=["**.log"])
    assert ran.state == "FAILED"
    assert ran.files[ran.outputs["outputFiles"]["a.log"]] == b"x\n"


async def test_the_output_directory_is_kept_whole() -> None:
    ran = await shell("mkdir $OUTPUT_DIR/d", "echo 1 > {{ outputDir }}/d/a", outputDirectory=True)
    assert list(ran.outputs["outputFiles"]) == ["d/a"]


async def test_variables_of_the_task_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_HIDDEN", "secret")
    ran = await run_task(
        Commands,
        {"taskRunner": PROCESS, "commands": ['echo "$A $N $TIDEGATE_HIDDEN."'], "env": {"A": "{{ vars.a }}", "N": 1}},
        variables={"a": "b"},
    )
    assert ran.messages == ["b 1 ."]


async def test_lists_and_maps_may_be_one_expression() -> None:
    ran = await run_task(
        Commands,
        {"taskRunner": PROCESS, "commands": "{{ vars.commands }}", "env": "{{ vars.env }}"},
        variables={"commands": ["echo $A", "echo 2"], "env": {"A": "x"}},
    )
    assert ran.messages == ["x", "2"]


async def test_another_interpreter() -> None:
    ran = await shell("print('a')", "print(1 + 1)", interpreter=["python3", "-c"], failFast=False)
    assert ran.messages == ["a", "2"]


async def test_long_scripts_go_through_a_file() -> None:
    script = "X=1\n" + "\n".join(f": {'x' * 100}" for _ in range(2000)) + "\necho $X done"
    ran = await run_task(Script, {"taskRunner": PROCESS, "script": script, "outputFiles": ["**"]})
    assert ran.messages == ["1 done"]
    assert ran.outputs["outputFiles"] == {}
    ran = await run_task(Script, {"taskRunner": PROCESS, "script": script.replace("done", "| grep -v 1")})
    assert ran.state == "FAILED"


async def test_a_timeout_kills_all_that_was_started() -> None:
    ran = await shell("sleep 60 & sleep 60", timeout="PT0.3S")
    assert ran.state == "FAILED"
    assert any("Timeout" in message for message in ran.messages)


async def test_the_old_form_of_the_runner() -> None:
    ran = await run_task(
        Commands, {"runner": "PROCESS", "docker": {"image": "x"}, "commands": ["echo 1 > $OUTPUT_DIR/a"]}
    )
    assert ran.state == "SUCCESS", ran.messages
    assert list(ran.outputs["outputFiles"]) == ["a"]


@pytest.mark.parametrize(
    "runner", [None, {"type": "io.kestra.plugin.scripts.runner.docker.Docker", "cpu": {"cpus": 1}}]
)
async def test_without_containers_the_settings_decide(runner: dict[str, object] | None) -> None:
    properties = {"commands": ["echo ran"], "containerImage": "ubuntu", **({"taskRunner": runner} if runner else {})}
    always = msgspec.structs.replace(Settings(), process=Process(fallback="always"))
    ran = await run_task(Commands, properties, settings=always)
    assert ran.state == "SUCCESS"
    assert [line.level for line in ran.logs] == ["WARN", "INFO"]
    assert "image ubuntu" in ran.messages[0]
    ran = await run_task(Commands, properties)
    assert ran.state == "FAILED"
    assert "taskRunner: {type: core.runner.Process}" in ran.messages[-1]


async def test_a_runner_that_is_none_is_said() -> None:
    for runner in ("core.runner.Nothing", "core.log.Log"):
        ran = await run_task(Commands, {"commands": ["echo 1"], "taskRunner": {"type": runner}})
        assert ran.state == "FAILED"
        assert runner in ran.messages[-1]


async def test_commands_are_required_and_misspelt_properties_found() -> None:
    with pytest.raises(InvalidFlow, match="commands"):
        await run_task(Commands, {"taskRunner": PROCESS})
    with pytest.raises(InvalidFlow, match="outputFile"):
        await run_task(Commands, {"commands": ["x"], "outputFile": ["a"]})
