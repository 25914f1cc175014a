"""Tries to get past admission, as what they add to a spec: each with the rule that has to refuse it.

Among them those that passed by others: Portainer's restrictions did not cover Swarm services at all (CVE-2026-44849),
nor the second list of mounts (CVE-2026-44850), edits (#1762), stacks (#3231), raw calls (#4106), volume options
(#1235).
"""

from typing import Any, Final

Json = dict[str, Any]

IMAGE: Final = "docker.io/library/nginx:1"
HOST_NETWORK_ID: Final = "6ua65iq2e7y5q4jx9tpjpk9ix"  # the engine keeps `host` under such an id, and never lists it
STRICT: Final = """
images: {allowed: ["nginx", "registry.example:5000/team/*", "localhost/ours/**"], pinned: false}
mounts: {host_paths: ["/srv/data", "/srv/open/**", "/etc/localtime:ro", "/run/**", "/"]}
capabilities: [NET_BIND_SERVICE]
no_new_privileges: false
non_root: true
host_ports: false
generic_resources: [licence]
ulimits: [nofile]
isolation: [default]
modes: [replicated]
replicas_max: 10
resources: {cpus_max: 2, memory_max: 1G, pids_max: 100}
labels: {required: {team: "?*"}, reserved: ["funswarm.*", "com.docker.*", "traefik.*", "example.Owner"]}
protected: {secrets: ["funswarm-*"], configs: ["funswarm-*"]}
"""


def base() -> Json:
    """A spec that `STRICT` admits."""
    return {
        "Name": "web",
        "Labels": {"team": "a"},
        "TaskTemplate": {
            "ContainerSpec": {"Image": IMAGE, "User": "1000:1000", "Isolation": "default"},
            "Resources": {"Limits": {"NanoCPUs": 10**9, "MemoryBytes": 2**29, "Pids": 50}},
            "ForceUpdate": 0,
            "Runtime": "container",
        },
        "Mode": {"Replicated": {"Replicas": 2}},
    }


def _container(**fields: Any) -> Json:
    return {"TaskTemplate": {"ContainerSpec": fields}}


def _mount(**fields: Any) -> Json:
    return _container(Mounts=[{"Target": "/x", **fields}])


def _bind(source: str, **fields: Any) -> Json:
    return _mount(Type="bind", Source=source, **fields)


def _volume(name: str = "v", driver: str | None = "local", **options: str) -> Json:
    config = {"Name": driver, "Options": options} if driver else {"Options": options}
    return _mount(Type="volume", Source=name, VolumeOptions={"DriverConfig": config})


def _network(target: str, **fields: Any) -> Json:
    return {"TaskTemplate": {"Networks": [{"Target": target, **fields}]}}


def _named(hostname: str) -> Json:
    return {"TaskTemplate": {"ContainerSpec": {"Hostname": hostname}, "Networks": [{"Target": "n1"}]}}


def _privileges(**fields: Any) -> Json:
    return _container(Privileges=fields)


def _log(name: str, **options: str) -> Json:
    return {"TaskTemplate": {"LogDriver": {"Name": name, "Options": options}}}


def _use(kind: str, name: str) -> Json:
    return _container(**{f"{kind}s": [{f"{kind}ID": "i1", f"{kind}Name": name, "File": {"Name": "x"}}]})


_NOBODY: Final = "00000000000000000000000000000000"
CORPUS: Final[list[tuple[str, str, Json]]] = [
    # The engine's socket, by any path.
    ("the socket", "engine-socket", _bind("/var/run/docker.sock")),
    ("the socket read-only", "engine-socket", _bind("/var/run/docker.sock", ReadOnly=True)),
    ("the socket where it really is", "engine-socket", _bind("/run/docker.sock")),
    ("the socket by ..", "engine-socket", _bind("/var/run/../run/docker.sock")),
    ("the socket by .. from a path that is allowed", "engine-socket", _bind("/srv/open/../../run/docker.sock")),
    ("the socket by ../ above the root", "engine-socket", _bind("/../../var/run/docker.sock")),
    ("the socket with more slashes", "engine-socket", _bind("//var///run//docker.sock")),
    ("the socket by .", "engine-socket", _bind("/var/./run/./docker.sock/.")),
    ("the socket with a slash at the end", "engine-socket", _bind("/var/run/docker.sock/")),
    ("the folder of the socket", "engine-socket", _bind("/var/run")),
    ("the folder of the socket, where it is allowed but for the socket", "engine-socket", _bind("/run")),
    ("a folder above the socket", "engine-socket", _bind("/var")),
    ("all of the node, where it is allowed but for the socket", "engine-socket", _bind("/")),
    ("all of the node by another name", "engine-socket", _bind("/srv/..")),
    ("all of the node by its first process", "engine-socket", _bind("/proc/1/root")),
    ("the disks", "engine-socket", _bind("/dev")),
    ("containerd", "engine-socket", _bind("/run/containerd/containerd.sock")),
    ("podman's socket", "engine-socket", _bind("/run/podman/podman.sock")),
    ("the Swarm's keys", "engine-socket", _bind("/var/lib/docker/swarm/certificates")),
    ("the socket in a type with capitals", "engine-socket", _mount(Type="BIND", Source="/var/run/docker.sock")),
    ("the socket without a type", "engine-socket", _mount(Source="/var/run/docker.sock")),
    ("the socket with an empty type", "engine-socket", _mount(Type="", Source="/var/run/docker.sock")),
    # Paths of the node.
    ("a path of the node (Portainer #1762)", "mounts", _bind("/etc")),
    ("a path by ..", "mounts", _bind("/srv/data/../../etc")),
    ("a path by .. from an open folder", "mounts", _bind("/srv/open/../../etc")),
    ("a path beside one that is allowed", "mounts", _bind("/srv/data2")),
    ("a path below one that is allowed, where a link may be", "mounts", _bind("/srv/data/link")),
    ("writing where only reading is allowed", "mounts", _bind("/etc/localtime")),
    ("a relative path", "mounts", _bind("etc")),
    ("a template as path", "mounts", _bind("/srv/open/{{.Service.Labels}}")),
    ("a template that picks a label", "mounts", _bind('/srv/open/{{index .Service.Labels "x"}}')),
    ("a path in another type of letters", "mounts", _mount(Type="Bind", Source="/etc")),
    ("a path of Windows", "mounts", _bind("C:\\")),
    ("a path of Windows by an allowed one", "mounts", _bind("C:\\srv\\..\\Windows")),
    ("a bind as second mount (CVE-2026-44850)", "mounts", _container(
        Mounts=[{"Type": "tmpfs", "Target": "/a"}, {"Type": "bind", "Source": "/etc", "Target": "/b"}])),
    ("an empty source", "mounts", _bind("")),
    # Other mounts.
    ("a named pipe", "mounts", _mount(Type="npipe", Source="\\\\.\\pipe\\docker_engine")),
    ("a named pipe in capitals", "mounts", _mount(Type="NPIPE", Source="\\\\.\\pipe\\docker_engine")),
    ("a volume of the cluster", "mounts", _mount(Type="cluster", Source="csi")),
    ("an image as mount", "mounts", _mount(Type="image", Source="evil.example/x:1")),
    ("a type that is to come", "mounts", _mount(Type="device", Source="/dev/sda")),
    ("a path as a volume's name", "mounts", _mount(Type="volume", Source="/etc")),
    ("a volume's name by ..", "mounts", _mount(Type="volume", Source="v/../../etc")),
    ("a volume's name with options of old", "mounts", _mount(Type="volume", Source="/etc:/x:rw")),
    ("a volume's name as a template", "mounts", _mount(Type="volume", Source='{{"/"}}etc')),
    ("a volume's name by a label", "mounts", _mount(Type="volume", Source='{{index .Service.Labels "x"}}')),
    # Volume drivers (Portainer #1235).
    ("a volume that binds", "volume-drivers", _volume(type="none", o="bind", device="/")),
    ("a volume that binds, without a driver's name", "volume-drivers", _volume(driver=None, type="none", o="bind")),
    ("a volume that binds among options", "volume-drivers", _volume(type="", o="ro,rbind", device="/etc")),
    ("a volume of a disk", "volume-drivers", _volume(type="ext4", device="/dev/sda1")),
    ("a volume by nfs", "volume-drivers", _volume(type="nfs", o="addr=10.0.0.1,rw", device=":/")),
    ("a volume by cifs", "volume-drivers", _volume(type="cifs", o="username=x", device="//10.0.0.1/c")),
    ("a volume by overlay", "volume-drivers", _volume(type="overlay", o="lowerdir=/etc,upperdir=/a", device="overlay")),
    ("a volume with a template", "volume-drivers", _volume(device="{{.Service.Labels}}")),
    ("a volume of another driver", "volume-drivers", _volume(driver="local-persist")),
    ("a volume of a driver of another case", "volume-drivers", _volume(driver="Local")),
    # Capabilities (CVE-2026-44849 on).
    ("a capability", "capabilities", _container(CapabilityAdd=["CAP_SYS_ADMIN"])),
    ("a capability in short", "capabilities", _container(CapabilityAdd=["SYS_ADMIN"])),
    ("a capability in lower case", "capabilities", _container(CapabilityAdd=["cap_sys_admin"])),
    ("a capability with a space", "capabilities", _container(CapabilityAdd=[" sys_ptrace"])),
    ("all capabilities", "capabilities", _container(CapabilityAdd=["ALL"])),
    ("all capabilities in lower case", "capabilities", _container(CapabilityAdd=["all"])),
    ("all capabilities in another way", "capabilities", _container(CapabilityAdd=["CAP_ALL"])),
    ("a capability behind one that is allowed", "capabilities", _container(
        CapabilityAdd=["NET_BIND_SERVICE", "SYS_MODULE"], CapabilityDrop=["ALL"])),
    # Privileges.
    ("no seccomp", "privileges", _privileges(Seccomp={"Mode": "unconfined"})),
    ("a seccomp profile", "privileges", _privileges(Seccomp={"Mode": "custom", "Profile": "e30="})),
    ("a seccomp profile beside the default", "privileges", _privileges(Seccomp={"Mode": "default", "Profile": "e30="})),
    ("no AppArmor", "privileges", _privileges(AppArmor={"Mode": "disabled"})),
    ("no SELinux", "privileges", _privileges(SELinuxContext={"Disable": True})),
    ("a SELinux type", "privileges", _privileges(SELinuxContext={"Type": "spc_t"})),
    ("a credential's file", "privileges", _privileges(CredentialSpec={"File": "spec.json"})),
    ("a credential in the registry", "privileges", _privileges(CredentialSpec={"Registry": "x"})),
    ("a credential in a config", "privileges", _privileges(CredentialSpec={"Config": "c1"})),
    ("a sysctl", "sysctls", _container(Sysctls={"kernel.msgmax": "1"})),
    ("a sysctl by slashes", "sysctls", _container(Sysctls={"net/ipv4/ip_forward": "1"})),
    ("a sysctl with capitals", "sysctls", _container(Sysctls={"NET.IPV4.TCP_SYNCOOKIES": "0"})),
    ("an ulimit", "ulimits", _container(Ulimits=[{"Name": "memlock", "Soft": -1, "Hard": -1}])),
    ("an isolation", "isolation", _container(Isolation="process")),
    ("an isolation with capitals", "isolation", _container(Isolation="Process")),
    ("others are killed first", "oom-score", _container(OomScoreAdj=-1000)),
    ("root", "users", _container(User="root")),
    ("root by number", "users", _container(User="0")),
    ("root by zeros", "users", _container(User="000:1000")),
    ("root by a sign", "users", _container(User="+0")),
    ("root by another name", "users", _container(User="toor")),
    ("the image's user", "users", _container(User="")),
    # Networks and ports.
    ("the host's network", "host-network", _network("host")),
    ("the host's network by its id", "host-network", _network(HOST_NETWORK_ID)),
    ("the host's network by the beginning of its id", "host-network", _network("6ua")),
    ("the host's network by the engine's own id", "host-network", _network("fdb0aeb75a00")),
    ("the host's network in the old place", "host-network", {"Networks": [{"Target": "host"}]}),
    ("NATS's name", "protected-hosts", _network("n1", Aliases=["nats"])),
    ("NATS's name with capitals", "protected-hosts", _network("n1", Aliases=["NATS"])),
    ("NATS's name with a dot", "protected-hosts", _network("n1", Aliases=["nats."])),
    ("the name of NATS's tasks", "protected-hosts", _network("n1", Aliases=["tasks.nats"])),
    ("NATS's name as host name", "protected-hosts", _named("nats")),
    ("NATS's name as host name, with capitals", "protected-hosts", _named("Nats")),
    ("NATS's name by a template", "protected-hosts", _named('{{index .Service.Labels "x"}}')),
    ("NATS's name by half a template", "protected-hosts", _named("na{{.Service.Labels.x}}")),
    ("NATS's name by the service's", "protected-hosts", {"Name": "na", **_named("{{ .Service.Name }}ts")}),
    ("a sysctl by an option of a network", "sysctls", _network(
        "n2", DriverOpts={"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.route_localnet=1"})),
    ("a sysctl behind one that is allowed, by an option of a network", "sysctls", _network("n2", DriverOpts={
        "com.docker.network.endpoint.sysctls": "net.ipv4.tcp_syncookies=1, net.ipv4.conf.IFNAME.rp_filter=0"})),
    ("a port of the nodes", "host-ports", {"EndpointSpec": {"Ports": [{"TargetPort": 1, "PublishMode": "host"}]}}),
    ("a port in capitals", "host-ports", {"EndpointSpec": {"Ports": [{"TargetPort": 1, "PublishMode": "HOST"}]}}),
    # What is no container.
    ("a plugin", "runtime", {"TaskTemplate": {"Runtime": "plugin", "PluginSpec": {"Remote": "evil.example/p"}}}),
    ("a plugin beside the container", "runtime", {"TaskTemplate": {"PluginSpec": {"Remote": "evil.example/p"}}}),
    ("an attachment", "runtime", {"TaskTemplate": {"Runtime": "attachment"}}),
    ("an attachment beside it", "runtime", {"TaskTemplate": {"NetworkAttachmentSpec": {"ContainerID": "c"}}}),
    # Images.
    ("another image", "images", _container(Image="busybox")),
    ("another user's image", "images", _container(Image="evil/nginx")),
    ("a registry", "images", _container(Image="evil.example/library/nginx")),
    ("a registry that looks like Docker's", "images", _container(Image="docker.io.evil.example/library/nginx")),
    ("a registry in capitals", "images", _container(Image="Docker.io/nginx")),
    ("a registry with a port", "images", _container(Image="docker.io:443/library/nginx")),
    ("an allowed registry without its port", "images", _container(Image="registry.example/team/x")),
    ("an allowed registry with another port", "images", _container(Image="registry.example:5001/team/x")),
    ("a folder below an allowed one", "images", _container(Image="registry.example:5000/team/sub/x")),
    ("a folder beside an allowed one", "images", _container(Image="registry.example:5000/team-evil/x")),
    ("localhost, which is a registry", "images", _container(Image="localhost/nginx")),
    ("LOCALHOST, which is a registry too", "images", _container(Image="LOCALHOST/ours/x")),
    ("an allowed name as user", "images", _container(Image="nginx/nginx")),
    ("an allowed name in the tag", "images", _container(Image="evil:nginx")),
    ("an image's id", "images", _container(Image="sha256:" + _NOBODY * 2)),
    ("an image's bare id", "images", _container(Image=_NOBODY * 2)),
    ("capitals in the name", "images", _container(Image="docker.io/library/Nginx")),
    ("a digest that is none", "images", _container(Image="nginx@sha256:0")),
    ("dots", "images", _container(Image="registry.example:5000/team/../evil")),
    ("a space", "images", _container(Image="nginx evil.example/x")),
    # Log drivers.
    ("a log driver", "log-drivers", _log("evil/plugin:1")),
    ("a log to a socket", "log-drivers", _log("fluentd", **{"fluentd-address": "unix:///var/run/docker.sock"})),
    ("a log to a datagram socket", "log-drivers", _log("syslog", **{"syslog-address": "UNIXGRAM:///dev/log"})),
    ("a file of the node by a log", "log-drivers", _log("syslog", **{"syslog-tls-ca-cert": "/etc/shadow"})),
    ("a file of the node by splunk", "log-drivers", _log("splunk", **{"splunk-capath": "/etc/shadow"})),
    # Files that are Funswarm's own.
    ("Funswarm's secret", "protected-files", _use("Secret", "funswarm-nats-passwords")),
    ("Funswarm's config", "protected-files", _use("Config", "funswarm-nats-1")),
    ("NATS's data", "protected-files", _mount(Type="volume", Source="funswarm_nats")),
    ("NATS's data in another case of letters", "protected-files", _mount(Type="VOLUME", Source="funswarm_nats")),
    ("NATS's data by a template", "protected-files", _mount(Type="volume", Source="funswarm_{{.Service.Name}}")),
    ("NATS's data by templates", "protected-files", _mount(Type="volume", Source="{{.Service.Name}}{{.Task.Name}}")),
    ("NATS's data by a template alone", "protected-files", _mount(Type="volume", Source="{{.Service.Name}}")),
    # Numbers.
    ("too many replicas", "replicas", {"Mode": {"Replicated": {"Replicas": 11}}}),
    ("too much memory", "resources", {"TaskTemplate": {"Resources": {"Limits": {"MemoryBytes": 2**31}}}}),
    ("no limit of memory", "resources", {"TaskTemplate": {"Resources": {"Limits": {"MemoryBytes": 0}}}}),
    ("too many CPUs", "resources", {"TaskTemplate": {"Resources": {"Limits": {"NanoCPUs": 3 * 10**9}}}}),
    ("as many processes as it likes", "resources", {"TaskTemplate": {"Resources": {"Limits": {"Pids": -1}}}}),
    ("too many processes", "resources", {"TaskTemplate": {"Resources": {"Limits": {"Pids": 101}}}}),
    ("a GPU", "generic-resources", {"TaskTemplate": {"Resources": {"Reservations": {"GenericResources": [
        {"NamedResourceSpec": {"Kind": "GPU", "Value": "GPU-1"}}]}}}}),
    ("some GPUs", "generic-resources", {"TaskTemplate": {"Resources": {"Reservations": {"GenericResources": [
        {"DiscreteResourceSpec": {"Kind": "GPU", "Value": 2}}]}}}}),
    # Fields that cannot be judged.
    ("a field that is to come", "unknown-fields", _container(Devices=[{"PathOnHost": "/dev/sda"}])),
    ("privileged, which Swarm has not yet", "unknown-fields", _container(Privileged=True)),
    ("the host's processes, which Swarm has not yet", "unknown-fields", _container(PidMode="host")),
    ("a field in lower case", "unknown-fields", _container(mounts=[{"type": "bind", "source": "/etc"}])),
    ("a template in lower case", "unknown-fields", {"tasktemplate": {"containerspec": {"image": "x"}}}),
    ("a field of a mount", "unknown-fields", _mount(Type="tmpfs", HostPath="/etc")),
    ("a mount that is none", "unknown-fields", _container(Mounts=["/etc:/x"])),
    ("a privilege that is to come", "unknown-fields", _privileges(Landlock={"Mode": "off"})),
]  # fmt: skip

LABELS: Final[list[tuple[str, Json]]] = [  # these are no findings of a spec, but differences
    ("the command's id of another command", {"Labels": {"funswarm.command.x": "c9"}}),
    ("Funswarm's own", {"Labels": {"funswarm.scale.max": "9"}}),
    ("one that the policy writes with capitals", {"Labels": {"example.Owner": "me"}}),
    ("another stack", {"Labels": {"com.docker.stack.namespace": "other"}}),
    ("a reserved one in capitals", {"Labels": {"Com.Docker.stack.namespace": "other"}}),
    ("another's routes", {"Labels": {"traefik.http.routers.x.rule": "Host(`bank.example`)"}}),
    ("Funswarm's on the containers", _container(Labels={"funswarm.command": "c9"})),
    ("another service's on the containers", _container(Labels={"com.docker.swarm.service.name": "other"})),
]


def laid_over(spec: Any, change: Any) -> Any:
    """`spec` with `change` laid over it, key by key."""
    if not isinstance(spec, dict) or not isinstance(change, dict):
        return change
    return {**spec, **{key: laid_over(spec.get(key), value) for key, value in change.items()}}
