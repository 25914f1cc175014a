"""Nodes, and which of them take which tasks. Nodes are shared with others: a label is all that is changed here."""

from docker.errors import APIError


def self_node(engine):
    return engine.get(f"/nodes/{engine.api.info()['Swarm']['NodeID']}")


def label_node(engine, labels):
    """Set labels on this node, whoever else writes to it meanwhile; None takes one away."""
    node = self_node(engine)
    wanted = {**node["Spec"]["Labels"], **labels}
    spec = {**node["Spec"], "Labels": {key: value for key, value in wanted.items() if value is not None}}
    try:
        engine.post(f"/nodes/{node['ID']}/update", spec, version=node["Version"]["Index"])
    except APIError as error:
        if "out of sequence" in str(error):
            return False
        raise
    return True


def pending(engine, problem):
    tasks = engine.until_state(engine.name, "pending")
    engine.until(lambda: engine.tasks(engine.name)[0]["Status"].get("Err"), "Swarm says why")
    assert (f"no suitable node ({problem})", "pending task scheduling") == (
        engine.tasks(engine.name)[0]["Status"]["Err"],
        tasks[0]["Status"]["Message"],
    )


def test_this_node_is_a_manager_that_is_ready(engine):
    node = self_node(engine)
    assert ("manager", "active") == (node["Spec"]["Role"], node["Spec"]["Availability"])
    assert ("ready", True, "reachable") == (
        node["Status"]["State"],
        node["ManagerStatus"]["Leader"],
        node["ManagerStatus"]["Reachability"],
    )
    assert node["Description"]["Resources"]["NanoCPUs"] > 0


def test_nodes_are_found_by_role_and_name(engine):
    node = self_node(engine)
    hostname = node["Description"]["Hostname"]
    assert node["ID"] in {found["ID"] for found in engine.api.nodes({"role": "manager"})}
    assert node["ID"] in {found["ID"] for found in engine.api.nodes({"name": hostname})}


def test_a_node_is_written_against_its_version(engine):
    node = self_node(engine)
    refusal = engine.refused(lambda: engine.post(f"/nodes/{node['ID']}/update", node["Spec"], version=1))
    assert (500, "rpc error: code = Unknown desc = update out of sequence") == refusal


def test_the_last_manager_cannot_be_demoted(engine):
    node = self_node(engine)
    spec = {**node["Spec"], "Role": "worker"}
    version = node["Version"]["Index"]
    status, text = engine.refused(lambda: engine.post(f"/nodes/{node['ID']}/update", spec, version=version))
    assert (400, True) == (status, "attempting to demote the last manager of the swarm" in text)


def test_an_unknown_availability_is_refused(engine):
    node = self_node(engine)
    spec = {**node["Spec"], "Availability": "lazy"}
    version = node["Version"]["Index"]
    refusal = engine.refused(lambda: engine.post(f"/nodes/{node['ID']}/update", spec, version=version))
    assert (400, 'invalid Availability: "lazy"') == refusal


def test_a_global_service_runs_on_each_node(engine):
    engine.create({**engine.spec(), "Mode": {"Global": {}}})
    nodes = {node["ID"] for node in engine.get("/nodes")}
    tasks = engine.until_running(engine.name, len(nodes))
    assert [(nodes, False)] == [({task["NodeID"] for task in tasks}, any("Slot" in task for task in tasks))]


def test_a_task_that_no_node_may_have_is_pending_and_says_why(engine):
    engine.create(engine.spec(template={"Placement": {"Constraints": ["node.labels.none==1"]}}))
    pending(engine, "scheduling constraints not satisfied on 1 node")


def test_a_task_that_no_node_has_room_for_is_pending_and_says_why(engine):
    engine.create(engine.spec(template={"Resources": {"Reservations": {"NanoCPUs": 9 * 10**14}}}))
    pending(engine, "insufficient resources on 1 node")


def test_max_replicas_per_node_keeps_the_rest_pending(engine):
    engine.create(engine.spec(replicas=2, template={"Placement": {"MaxReplicas": 1}}))
    engine.until_state(engine.name, "running")
    (task,) = engine.until_state(engine.name, "pending")
    why = engine.until(lambda: engine.get(f"/tasks/{task['ID']}")["Status"].get("Err"), "Swarm says why")
    assert why == "no suitable node (max replicas per node limit exceed)"


def test_a_pending_task_runs_once_a_node_meets_its_constraint(engine):
    label = f"{engine.name}-disk"
    engine.create(engine.spec(template={"Placement": {"Constraints": [f"node.labels.{label}==ssd"]}}))
    engine.until_state(engine.name, "pending")
    engine.until(lambda: label_node(engine, {label: "ssd"}), "the label is set")
    engine.undo_later(lambda: engine.until(lambda: label_node(engine, {label: None}), "the label is gone"))
    engine.until_running(engine.name, 1)


def test_a_task_is_turned_out_when_its_node_meets_its_constraint_no_more(engine):
    label = f"{engine.name}-disk"
    engine.undo_later(lambda: engine.until(lambda: label_node(engine, {label: None}), "the label is gone"))
    engine.create(engine.spec(template={"Placement": {"Constraints": [f"node.labels.{label}!=hdd"]}}))
    engine.until_running(engine.name, 1)
    engine.until(lambda: label_node(engine, {label: "hdd"}), "the label is set")
    engine.until(lambda: not engine.running(engine.name), "its task is turned out")


def test_constraints_compare_role_and_hostname(engine):
    hostname = self_node(engine)["Description"]["Hostname"]
    constraints = ["node.role == manager", f"node.hostname == {hostname}", "node.labels.none != x"]
    engine.create(engine.spec(template={"Placement": {"Constraints": constraints}}))
    engine.until_running(engine.name, 1)
