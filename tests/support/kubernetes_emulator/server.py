"""The HTTP side: a real server in a thread of its own."""

import asyncio
import json
import re
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from kubernetes_emulator.cluster import KINDS, STARTED, Cluster, Object
from kubernetes_emulator.jobs import create_job, delete_job, delete_pod_of_job, is_pod_of_job
from kubernetes_emulator.rights import Request, Rights

_PLURALS = {plural: kind for kind, (_, plural, _) in KINDS.items()}
_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?P<rest>/.*)?"
)
TOKEN = "token-of-the-service-account"
# Channels of `v4.channel.k8s.io`.
_OUTPUT, _ERRORS, _STATUS = b"\x01", b"\x02", b"\x03"

Fault = int | float | str


class Server:
    """Answers for a cluster.

    Args:
        cluster: The state.
        folders: Where a container's folders lie on this machine, by path in the container.
        tls: Makes it speak HTTPS.

    Attributes:
        faults: What goes wrong, by a pattern of paths: a status, seconds to wait (as a float), or `hang up`.
        requests: Method and path of each request.
        asked: The same in the words of RBAC, for requests about resources.
        rights: What the account may do; None for everything.
        accounts: Other accounts, by name, with what each of them may do.
        asked_by: What each of those has asked for.
        program: What runs in a container in place of Python; empty for Python itself.
    """

    def __init__(
        self, cluster: Cluster, folders: dict[str, Path] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.cluster = cluster
        self.folders = folders or {}
        self._tls = tls
        self.faults: dict[str, Fault] = {}
        self.requests: list[tuple[str, str]] = []
        self.asked: list[Request] = []
        self.rights: Rights | None = None
        self.accounts: dict[str, Rights] = {}
        self.asked_by: dict[str, list[Request]] = {}
        self.program = ""
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops answering; connections are refused from then on."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def kubeconfig(self, folder: Path, *, token: str = TOKEN) -> Path:
        """Writes a kubeconfig that leads here."""
        path = folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(content))
        return path

    def mount_token(self, folder: Path, account: str) -> None:
        """Writes a pod's kubeconfig into its folder, where an account of a cluster has its token mounted."""
        self.kubeconfig(folder, token=f"{TOKEN}-{account}")

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.requests.append((request.method, path))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        account = "" if token == TOKEN else token.removeprefix(TOKEN + "-")
        if scheme.lower() != "bearer" or (account and (account == token or account not in self.accounts)):
            return _status(401, "Unauthorized")
        for pattern, fault in self.faults.items():
            if re.search(pattern, path):
                if fault == "hang up":
                    assert request.transport is not None
                    request.transport.close()
                    return web.Response()
                if isinstance(fault, int):
                    return _status(fault, f"emulated fault {fault}")
                await asyncio.sleep(float(fault))
        if path == "/version":
            return web.json_response({"major": "1", "minor": "34", "gitVersion": "v1.34.3+k3s1"})
        return await self._resource(request, path, account)

    async def _resource(self, request: web.Request, path: str, account: str) -> web.StreamResponse:
        match = _PATH.fullmatch(path)
        namespaces = re.fullmatch(r"/api/v1/namespaces/([^/]+)", path)
        if namespaces:
            rights = self.accounts[account] if account else self.rights
            if rights and not rights.allow(Request("get", "", "namespaces", namespaces[1], namespaces[1])):
                return _status(403, "namespaces is forbidden")
            return self._one("Namespace", namespaces[1], "")
        kind = _PLURALS.get(match["plural"]) if match else None
        if match is None or kind is None or kind in self.cluster.unknown_kinds:
            return _status(404, "the server could not find the requested resource")
        if (match["core"] or match["group"]) != KINDS[kind][0]:
            return _status(404, "the server could not find the requested resource")
        namespace = match["namespace"] or ""
        if not self._allows(request, match, namespace, account):
            return _status(403, f"{kind.lower()}s is forbidden")
        if match["rest"]:
            return await self._below(request, kind, match["name"], namespace, match["rest"])
        if match["name"] is None and request.method == "POST":
            return self._create(kind, namespace, await request.json())
        if match["name"] is None:
            return self._list(request, kind, namespace)
        if request.method == "DELETE":
            return self._delete(request, kind, match["name"], namespace)
        return self._one(kind, match["name"], namespace)

    def _allows(self, request: web.Request, match: re.Match[str], namespace: str, account: str) -> bool:
        name = (match["name"] or "").partition(":")[0]
        verb = {"DELETE": "delete", "GET": "get" if name else "list", "POST": "create"}[request.method]
        below = f"/{match['rest'].split('/')[1]}" if match["rest"] else ""
        group = (match["group"] or "").partition("/")[0]
        asked = Request(verb, group, match["plural"] + below, name, namespace)
        if account:
            self.asked_by.setdefault(account, []).append(asked)
            return self.accounts[account].allow(asked)
        self.asked.append(asked)
        return self.rights is None or self.rights.allow(asked)

    def _create(self, kind: str, namespace: str, document: Object) -> web.Response:
        name = document["metadata"]["name"]
        if kind != "Job":
            return _status(405, f"this API creates Jobs only, not {kind}")
        if self.cluster.find(kind, name, namespace):
            return _status(409, f'jobs.batch "{name}" already exists')
        return web.json_response(create_job(self.cluster, document, namespace), status=201)

    def _delete(self, request: web.Request, kind: str, name: str, namespace: str) -> web.Response:
        found = self.cluster.find(kind, name, namespace)
        if found is None:
            return _status(404, f'{kind.lower()}s "{name}" not found')
        if kind == "Job":
            # What batch/v1 does where nobody says, for compatibility with its first clients.
            policy = request.query.get("propagationPolicy", "Orphan")
            return web.json_response(delete_job(self.cluster, found, policy))
        if is_pod_of_job(found):
            return web.json_response(delete_pod_of_job(found))
        return web.json_response(self.cluster.delete_pod(name, namespace))

    def _one(self, kind: str, name: str, namespace: str) -> web.Response:
        found = self.cluster.find(kind, name, namespace)
        if found is None:
            return _status(404, f'{kind.lower()}s "{name}" not found')
        return web.json_response(found)

    def _list(self, request: web.Request, kind: str, namespace: str) -> web.Response:
        selector = dict(
            part.split("=", 1) for part in request.query.get("labelSelector", "").split(",") if part
        )
        found = [
            {key: value for key, value in thing.items() if key not in ("apiVersion", "kind")}
            for thing in self.cluster.objects[kind]
            if (not KINDS[kind][2] or thing["metadata"]["namespace"] == namespace)
            and selector.items() <= thing["metadata"].get("labels", {}).items()
            and _has_fields(thing, request.query.get("fieldSelector", ""))
        ]
        first, size = int(request.query.get("continue", "0")), int(request.query.get("limit", "500"))
        page, rest = found[first : first + size], found[first + size :]
        metadata = {"resourceVersion": "1"} | ({"continue": str(first + size)} if rest else {})
        return web.json_response(
            {"kind": f"{kind}List", "apiVersion": KINDS[kind][0], "metadata": metadata, "items": page}
        )

    async def _below(
        self, request: web.Request, kind: str, name: str, namespace: str, rest: str
    ) -> web.StreamResponse:
        if kind == "Node" and rest == "/proxy/stats/summary":
            return web.json_response(self.cluster.summary())
        if kind == "Job" and rest == "/status":
            return self._one(kind, name, namespace)
        pod, _, port = name.partition(":")
        if kind != "Pod" or self.cluster.find("Pod", pod, namespace) is None:
            return _status(404, "not found")
        if rest == "/log":
            return self._log(request, pod)
        if rest == "/exec":
            return await self._run(request)
        if rest.startswith("/proxy/") and port == "8000":
            status, body = self.cluster.answers(pod, rest.removeprefix("/proxy"))
            return web.json_response(body, status=status)
        return _status(503, "error trying to reach service: connection refused")

    def _log(self, request: web.Request, pod: str) -> web.Response:
        path = self.cluster.logs.get(pod)
        if path is None:
            return _status(400, f'container in pod "{pod}" is waiting to start')
        lines = path.read_text(errors="replace").splitlines()[-int(request.query.get("tailLines", "10000")) :]
        stamp = f"{STARTED} " if request.query.get("timestamps") == "true" else ""
        return web.Response(text="".join(f"{stamp}{line}\n" for line in lines))

    async def _run(self, request: web.Request) -> web.StreamResponse:
        """Runs the command on this machine, with the container's folders where they really lie."""
        program, *words = request.query.getall("command")
        command = [self.program or program, *map(self._here, words)]
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await process.communicate()
        for channel, content in ((_OUTPUT, output.replace(*self._back())), (_ERRORS, errors)):
            if content:
                await socket.send_bytes(channel + content)
        ended: Object = {"kind": "Status", "status": "Success"}
        if process.returncode:
            causes = [{"reason": "ExitCode", "message": str(process.returncode)}]
            ended = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
        await socket.send_bytes(_STATUS + json.dumps(ended).encode())
        await socket.close()
        return socket

    def _here(self, word: str) -> str:
        return next((str(folder) for path, folder in self.folders.items() if word == path), word)

    def _back(self) -> tuple[bytes, bytes]:
        """Returns what turns this machine's folders into the container's; they share a parent."""
        if not self.folders:
            return b"\0", b"\0"
        path, folder = next(iter(self.folders.items()))
        return str(folder.parent).encode(), str(Path(path).parent).encode()


def _has_fields(thing: Object, selector: str) -> bool:
    """Tells whether an object fits a field selector such as `involvedObject.name=pod-1`."""
    for part in filter(None, selector.split(",")):
        path, _, wanted = part.partition("=")
        value: Any = thing
        for step in path.split("."):
            value = value.get(step, {})
        if value != wanted:
            return False
    return True


def _status(status: int, message: str) -> web.Response:
    """Answers as the API server itself does when it says no."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    return web.json_response({**body, "message": message}, status=status)
