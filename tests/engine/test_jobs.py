"""Jobs: their tasks complete; each write runs them again."""


def job(engine, command=("true",), total=1, concurrent=1, **parts):
    mode = {"ReplicatedJob": {"TotalCompletions": total, "MaxConcurrent": concurrent}}
    return engine.create({**engine.spec(list(command)), "Mode": mode, **parts})


def iteration(value):
    return value.get("Index", 0)


def complete(engine, run):
    """The tasks of a run that have completed."""
    tasks = engine.tasks(engine.name)
    done = [task for task in tasks if task["Status"]["State"] == "complete"]
    return [task for task in done if iteration(task["JobIteration"]) == run]


def test_a_job_runs_its_tasks_to_completion_in_slots_from_0(engine):
    job(engine, total=2, concurrent=2)
    tasks = engine.until_state(engine.name, "complete", count=2)
    assert [(0, "complete"), (1, "complete")] == sorted((t.get("Slot", 0), t["DesiredState"]) for t in tasks)


def test_a_new_job_is_at_run_0(engine):
    job(engine)
    assert iteration(engine.service(engine.name)["JobStatus"]["JobIteration"]) == 0


def test_a_job_has_at_most_so_many_tasks_at_once(engine):
    job(engine, ["sleep", "100000"], total=3, concurrent=1)
    engine.until_state(engine.name, "running")
    assert len(engine.tasks(engine.name)) == 1


def test_counts_default_to_one(engine):
    engine.create({**engine.spec(["true"]), "Mode": {"ReplicatedJob": {}}})
    mode = engine.service(engine.name)["Spec"]["Mode"]
    assert {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}} == mode


def test_a_write_to_a_job_runs_it_again_even_if_only_a_label_changes(engine):
    job(engine)
    engine.until(lambda: complete(engine, 0), "the first run completes")
    after = engine.change(engine.name, lambda spec: spec.update(Labels={"a": "b"}))
    assert iteration(after["JobStatus"]["JobIteration"]) == 1
    engine.until(lambda: complete(engine, 1), "the second run completes")


def test_a_write_removes_the_tasks_of_the_run_before_that_still_run(engine):
    job(engine, ["sleep", "100000"])
    (first,) = engine.until_state(engine.name, "running")
    engine.change(engine.name, lambda spec: spec["TaskTemplate"].update(ForceUpdate=1))
    engine.until(lambda: first["ID"] not in {t["ID"] for t in engine.tasks(engine.name)}, "the first task is gone")
    engine.until_state(engine.name, "running")


def test_a_job_of_0_completions_is_parked(engine):
    job(engine, total=0)
    engine.change(engine.name, lambda spec: spec["Mode"]["ReplicatedJob"].update(TotalCompletions=1))
    tasks = engine.until_state(engine.name, "complete")
    assert [1] == [iteration(task["JobIteration"]) for task in tasks]


def test_a_failed_task_of_a_job_is_tried_again(engine):
    restart = {"Condition": "on-failure", "Delay": 0, "MaxAttempts": 1}
    job(engine, ["false"], TaskTemplate={**engine.spec(["false"])["TaskTemplate"], "RestartPolicy": restart})
    tasks = engine.until_state(engine.name, "failed", count=2)
    assert {0} == {task.get("Slot", 0) for task in tasks}


def test_a_global_job_completes_once_on_each_node(engine):
    engine.create({**engine.spec(["true"]), "Mode": {"GlobalJob": {}}})
    tasks = engine.until_state(engine.name, "complete", count=len(engine.get("/nodes")))
    assert {node["ID"] for node in engine.get("/nodes")} == {task["NodeID"] for task in tasks}


def test_status_counts_completed_tasks(engine):
    job(engine)
    engine.until_state(engine.name, "complete")
    (service,) = engine.get("/services", status="true", filters=f'{{"name": ["{engine.name}"]}}')
    assert service["ServiceStatus"]["CompletedTasks"] == 1
